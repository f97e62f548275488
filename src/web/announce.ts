import { byId } from './element.js';

/** To screen readers. */
export function announce(text: string): void {
  byId('announcer').textContent = text;
}
