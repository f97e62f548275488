/** Figures and tables as text for people. */
import { columnsOf } from '../shorten-text.js';
import { showControls } from './show-controls.js';

/** 75 → "1m15s". */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  // Rounded first: 119.6 s are 2m0s, not 1m60s.
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${whole % 60}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}

/** 12345678 → "12.3 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  // Rounded first: 999 960 bytes are 1.0 MB, not 1000.0 kB.
  const rounded = bytes < 999.5 ? bytes : Number(bytes.toPrecision(4));
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, rounded)) / 3 + 1e-9));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Days → "3 d ago". */
export function formatAge(days: number): string {
  return days < 1 ? `${formatSeconds(days * 86_400)} ago` : `${Math.floor(days)} d ago`;
}

/** 1 → "1 example". */
export function formatExamples(count: number): string {
  return `${count} ${count === 1 ? 'example' : 'examples'}`;
}

/** 0.9634 → "96.3 %". */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Columns padded to their widest cell; numbers to the right. */
export function formatTable(given: readonly (readonly (string | number)[])[]): string {
  // A line break in a name would break the table.
  const rows = given.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell : showControls(cell, { lineBreaks: true }))),
  );
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, columnsOf(String(cell)));
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          typeof cell === 'number'
            ? String(cell).padStart(widths[i]!)
            : cell + ' '.repeat(widths[i]! - columnsOf(cell)),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
