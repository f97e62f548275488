import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';

const chromium = '/usr/bin/chromium';

/** Debian's Chromium; where it is not installed the tests of the suite are skipped, which is said. */
export async function openBrowser(suite: Mocha.Context, args: readonly string[] = []): Promise<Browser> {
  if (!existsSync(chromium)) {
    console.log(`      there is no ${chromium}, so nothing is run in a browser`);
    suite.skip();
  }
  const { chromium: driver } = await import('playwright-core');
  return driver.launch({ executablePath: chromium, args: ['--no-sandbox', ...args] });
}
