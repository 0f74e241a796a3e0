// A real browser for tests of the console: Chromium without a window, in a new profile.

import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { hasTool } from '../tools.ts';

const PROGRAM = '/usr/bin/chromium';
const ACTION_MS_MAX = 30_000;

/** Whether there is one; reports like `hasTool`. */
export function hasChromium(): boolean {
  return hasTool(PROGRAM, 'chromium');
}

export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: PROGRAM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page, and what must not happen on it. */
export interface WatchedPage {
  readonly page: Page;
  /** Violations of the content security policy, errors of scripts, and requests to other hosts. */
  readonly wrong: string[];
}

/** A page in a profile of its own, for the console at `url`. Nothing is opened yet. */
export async function newPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_MS_MAX);
  const wrong: string[] = [];
  const { host } = new URL(url);
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host) wrong.push(`request to ${request.url()}`);
  });
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (message) => {
    // A refused request is written to the console by the browser.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) wrong.push(message.text());
  });
  return { page, wrong };
}

/** What axe finds on the page as it is: rule and element. */
export async function axeViolations(page: Page): Promise<string[]> {
  // Not through a script element, which the policy of the page would refuse.
  await page.evaluate(axe.source);
  return page.evaluate<string[]>(
    `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
       nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 200) + ' ' + failureSummary)))`,
  );
}

/** By how many pixels the page is wider than its window. */
export function overflowWidth(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
}
