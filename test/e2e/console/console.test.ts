// The console of a real cluster in a real Chromium: each page, a datanode that dies, changes
// through their dialogs. With STELE_SCREENSHOTS=1 the pictures of docs/console/ are taken.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  axeViolations,
  hasChromium,
  newPage,
  overflowWidth,
  startChromium,
} from '../../support/browser/chromium.ts';
import type { WatchedPage } from '../../support/browser/chromium.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { PROJECT } from '../../support/process/stele-process.ts';

const PAGES = [
  'hot-keys',
  'overview',
  'ring',
  'keyspaces',
  'keyspaces/prices',
  'loads',
  'key',
  'nodes',
  'events',
];
const PHONE = { width: 375, height: 740 };
const DESK = { width: 1100, height: 720 };
const WAIT_MS = 30_000;
const PICTURES = join(PROJECT, 'docs', 'console');

let cluster: TestCluster;
let browser: Browser;
let watched: WatchedPage;
let page: Page;

async function loadPrices(version: number): Promise<void> {
  const file = join(cluster.folder, `prices-${version}.data`);
  const rows = Array.from(
    { length: 2000 + version },
    (_, at) => `item-${at} {"price":${at * version},"currency":"NOK"}\n`,
  );
  writeFileSync(file, rows.join(''));
  await cluster.load('prices', [file]);
}

async function show(name: string): Promise<void> {
  await page.goto(`${cluster.url('/')}#/${name}`);
  await page.locator('h1').waitFor();
}

/** Once the page has taken so many samples for its charts. */
async function picture(name: string, samples = 0): Promise<void> {
  if (process.env['STELE_SCREENSHOTS'] !== '1') return;
  for (let taken = 0; taken < samples; taken++) await page.waitForResponse('**/v1/stats');
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** Resolves once the text is shown in `where`. */
async function shown(where: string, text: RegExp): Promise<void> {
  await page.locator(where).filter({ hasText: text }).first().waitFor({ timeout: WAIT_MS });
}

async function confirm(action: string): Promise<void> {
  await page.locator('dialog').getByRole('button', { name: action, exact: true }).click();
  await page.locator('dialog').waitFor({ state: 'detached' });
}

async function currentVersion(): Promise<number> {
  const { current_version: version } = (await cluster.json('/v1/keyspaces/prices')) as {
    current_version: number;
  };
  return version;
}

describe.skipIf(!hasChromium())('the console', () => {
  beforeAll(async () => {
    cluster = await TestCluster.start({ masterFlags: ['--repair-delay', '2s'] });
    await loadPrices(1);
    await loadPrices(2);
    browser = await startChromium();
    watched = await newPage(browser, cluster.url('/'), { viewport: DESK });
    ({ page } = watched);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await cluster?.close();
  });

  it.each(PAGES)('shows %s without anything that axe finds, in both themes', async (name) => {
    await show(name);
    await page.waitForLoadState('networkidle').catch(() => undefined);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axeViolations(page)).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'light' });
  });

  it.each(PAGES)('shows %s on a phone without scrolling sideways', async (name) => {
    await page.setViewportSize(PHONE);
    await show(name);
    await shown('main', /\w/);
    expect(await overflowWidth(page)).toBe(0);
    await page.setViewportSize(DESK);
  });

  it('keeps the theme that was chosen', async () => {
    await show('overview');
    const theme = page.getByRole('button', { name: /^Theme/ });
    await theme.click();
    await theme.click();
    await page.reload();
    await shown('button', /Theme: dark/);
    expect(await page.getAttribute('html', 'data-theme')).toBe('dark');
    await page.getByRole('button', { name: /^Theme/ }).click();
  });

  it('says in one sentence how the cluster is, and counts what it reads', async () => {
    await show('overview');
    await shown('.health', /All 32 shards have their 2 copies; 3 of 3 datanodes serving/);
    const done = new AbortController();
    const readers = (async () => {
      for (let at = 0; !done.signal.aborted; at = (at + 1) % 2000) {
        await (await fetch(cluster.url(`/v1/keyspaces/prices/keys/item-${at}`))).arrayBuffer();
      }
    })();
    await shown('.tile .now', /^[1-9][\d.,k]*\/s$/);
    await shown('.tile .now', /p99 [\d.]+ ms/);
    await shown('.tile .now', /in [\d.]+ (?:B|KiB|MiB)\/s, out [\d.]+ (?:B|KiB|MiB)\/s/);
    await picture('overview', 50);
    done.abort();
    await readers;
  }, 120_000);

  it('looks up a key: its value as JSON, text and hex, and where it lives', async () => {
    await show('key/prices');
    await page.getByLabel('Key', { exact: true }).fill('item-7');
    await page.getByRole('button', { name: 'Look up' }).click();
    await shown('.value', /"price": 14,/);
    await shown('main', /Slot \d+, shard \d+, version 2/);
    await page.getByLabel('Hex', { exact: true }).check();
    await shown('.value', /^00000000 {2}7b 22 70 72/);
    await page.getByLabel('JSON', { exact: true }).check();
    await page.getByLabel('Key', { exact: true }).fill('nothing');
    await page.getByRole('button', { name: 'Look up' }).click();
    await shown('[role=alert]', /has no key 'nothing'/);
  });

  it('compares two versions, with samples', async () => {
    await show('keyspaces/prices');
    await page.getByRole('button', { name: 'Compare' }).click();
    await shown('main', /From version 1 to 2: 1 added, 0 removed, 2,000 changed/);
    await shown('td.bytes', /item-\d+/);
    await picture('keyspace');
  });

  it('says what changes of a keyspace would free', async () => {
    await show('keyspaces/prices');
    await page.getByText('Memory and disk, and what changes would free').click();
    await shown('main', /in memory \(now\)/);
    await shown('main', /tier disk\s*[\d.]+ KiB/);
    await shown('main', /sampled records: keys of/);
  });

  it('rolls back through a dialog that says what it will do, and can be left', async () => {
    await show('keyspaces/prices');
    const rollback = page.getByRole('button', { name: 'Roll back to version 1' });
    await rollback.click();
    await shown('dialog', /Readers get version 1 \(2,001 rows from prices-1.data/);
    await picture('rollback');
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    expect(await currentVersion()).toBe(2);
    await rollback.click();
    await confirm('Roll back');
    expect(await currentVersion()).toBe(1);
    await shown('.notices', /Version 1 of prices is current/);
    await page.getByRole('button', { name: 'Promote version 2' }).waitFor();
  });

  it('changes settings, and suspends and resumes', async () => {
    await show('keyspaces/prices');
    await page.getByLabel('Versions kept, with the current one').fill('5');
    await page.getByRole('button', { name: 'Set ...' }).nth(1).click();
    await shown('dialog', /keeps 5 committed versions/);
    await confirm('Change');
    await shown('.facts', /Versions kept\s*5/);
    await page.getByRole('button', { name: 'To disk ...' }).click();
    await shown('dialog', /only their index in memory/);
    await confirm('Change');
    await shown('.facts', /Records\s*on disk/);
    await page.getByRole('button', { name: 'To memory ...' }).click();
    await confirm('Change');
    await page.getByRole('button', { name: 'Suspend ...' }).click();
    await confirm('Suspend');
    await page.getByRole('button', { name: 'Resume ...' }).click();
    await confirm('Resume');
    await page.getByRole('button', { name: 'Suspend ...' }).waitFor();
  });

  it('shows a refusal in the dialog', async () => {
    await show('nodes');
    await page.getByRole('button', { name: 'Remove node-0' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Remove' }).click();
    await shown('dialog [role=alert]', /node-0/);
    await page.getByRole('button', { name: 'Cancel' }).click();
  });

  it('drains a datanode and brings it back', async () => {
    await show('nodes');
    await page.getByRole('button', { name: 'Drain node-1' }).click();
    await confirm('Drain');
    await page.getByRole('button', { name: 'Resume node-1' }).click();
    await confirm('Resume');
    await page.getByRole('button', { name: 'Drain node-1' }).waitFor();
    await cluster.status('green');
    await picture('nodes');
  });

  it('lists loads, and rejected rows with their places', async () => {
    const bad = join(cluster.folder, 'bad.csv');
    const good = Array.from({ length: 500 }, (_, at) => `key-${at},value-${at}\n`).join('');
    writeFileSync(bad, `key,value\n${good}with,too,many\n${good}`);
    await cluster.load('bad', [bad]).catch(() => undefined);
    await show('loads');
    await shown('table', /failed/);
    await shown('.reason', /bad\.csv/);
  });

  it('shows events as they happen, with who did it', async () => {
    await show('events');
    await shown('tr', /rollback.*prices.*2 → 1/);
    await fetch(cluster.url('/v1/keyspaces/prices/rollback'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"to":2}',
    });
    await shown('tr', /rollback.*prices.*1 → 2|promote.*prices.*1 → 2/);
  });

  it('drops a keyspace only once its name was typed', async () => {
    await show('keyspaces/bad');
    await loadPrices(3);
    await show('keyspaces/prices');
    await page.getByRole('button', { name: 'Drop version 3' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Drop keyspace ...' }).click();
    const drop = page.locator('dialog').getByRole('button', { name: 'Drop keyspace' });
    expect(await drop.isDisabled()).toBe(true);
    await page.locator('dialog input').fill('price');
    expect(await drop.isDisabled()).toBe(true);
    await page.locator('dialog input').press('Enter');
    expect(await currentVersion()).toBe(3);
    await page.locator('dialog input').fill('prices');
    await page.locator('dialog').getByRole('button', { name: 'Cancel' }).click();
    expect(await currentVersion()).toBe(3);
  });

  it('says by keyboard who holds which shard', async () => {
    await show('ring');
    const ring = page.getByRole('slider');
    await ring.focus();
    expect(await ring.getAttribute('aria-valuetext')).toMatch(/^Shard 0, slots 0 to 511; held by/);
    await page.keyboard.press('ArrowLeft');
    await page.locator('[aria-valuetext^="Shard 31, slots 15872 to 16383; held by"]').waitFor();
    await page.keyboard.press('PageDown');
    await page.locator('[aria-valuenow="15"]').waitFor();
    await page.keyboard.press('Home');
    await shown('.shard', /Shard 0/);
    const box = await ring.boundingBox();
    if (box === null) throw new Error('the ring is not shown');
    await page.mouse.move(box.x + box.width / 2 + 2, box.y + box.height * 0.9);
    await shown('.shard', /Shard 15/);
  });

  it('shows a datanode die, and its shards move', async () => {
    await show('ring');
    await page.reload();
    await page.locator('path.cell.held').first().waitFor();
    await cluster.kill('node-2');
    await page.locator('path.cell.lost').first().waitFor({ timeout: WAIT_MS });
    await shown('.legend button', /node-2.*down/);
    await picture('ring');
    await show('overview');
    await shown('.troubles', /Datanode node-2 has not answered/);
    await show('ring');
    await shown('main', /Every owner has its shards/);
    await shown('.legend button', /node-0.*32/);
    await shown('.legend button', /node-1.*32/);
    await show('overview');
    await shown('.troubles', /Other datanodes have all of its shards/);
    await cluster.startNode('node-2');
    const trouble = page.locator('.troubles li').filter({ hasText: 'node-2' });
    await trouble.waitFor({ state: 'detached', timeout: WAIT_MS });
    await shown('.troubles', /The last load of bad failed/);
  });

  it('says that the server does not answer, and goes on when it does', async () => {
    await show('overview');
    await cluster.kill('master');
    await shown('[role=alert]', /does not answer/);
    await cluster.startMaster();
    await page.locator('.banner').waitFor({ state: 'detached', timeout: WAIT_MS });
    await shown('.health', /datanodes serving/);
  });

  it('has violated no policy, thrown no error, and asked no other host', () => {
    expect(watched.wrong).toEqual([]);
  });
});
