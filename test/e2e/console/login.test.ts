// The console of a cluster with TLS and --auth on: who is let in, and what each may do.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  axeViolations,
  hasChromium,
  newPage,
  startChromium,
} from '../../support/browser/chromium.ts';
import type { WatchedPage } from '../../support/browser/chromium.ts';
import { Authority } from '../../support/process/certificates.ts';
import {
  ANY_PORTS,
  SteleProcess,
  flags,
  stele,
  until,
} from '../../support/process/stele-process.ts';

const HOST = '127.0.0.1';
const PASSWORD = 'planted password, with ü and :';
const folder = mkdtempSync(join(tmpdir(), 'stele-console-'));
const file = (name: string): string => join(folder, name);
const processes: SteleProcess[] = [];
const asAdmin: string[] = [];
let url = '';
let browser: Browser;
let watched: WatchedPage;
let page: Page;

async function start(words: readonly string[], more: readonly string[]): Promise<SteleProcess> {
  const started = new SteleProcess([...words, ...ANY_PORTS, ...more]);
  processes.push(started);
  await started.printed(/ grpc \S+:\d+\n/);
  return started;
}

async function done(...words: string[]): Promise<string> {
  const { code, stderr, stdout } = await stele([...words, ...asAdmin]);
  expect({ words, code, stderr }).toMatchObject({ words, code: 0 });
  return stdout;
}

async function logIn(user: string, password: string): Promise<void> {
  await page.getByLabel('User', { exact: true }).fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

const shown = (where: string, text: RegExp): Promise<void> =>
  page.locator(where).filter({ hasText: text }).first().waitFor();

describe.skipIf(!hasChromium())('the console with TLS and users', () => {
  beforeAll(async () => {
    const authority = new Authority(folder, 'authority');
    const { certFile, keyFile } = authority.issue('all', `IP:${HOST}`, 'DNS:localhost');
    writeFileSync(file('secret'), 'planted-secret-of-the-cluster\n', { mode: 0o600 });
    writeFileSync(file('password'), PASSWORD, { mode: 0o600 });
    const trust = flags({ 'tls-ca': authority.own.certFile });
    const secured = [
      ...flags({ auth: 'on', 'cluster-secret-file': file('secret') }),
      ...flags({ 'tls-cert': certFile, 'tls-key': keyFile }),
      ...trust,
    ];
    const master = await start(
      ['master', ...flags({ replication: 1, shards: 8, 'data-dir': file('master') })],
      secured,
    );
    const [at] = master.addresses();
    const grpc = `${HOST}:${at?.grpc ?? 0}`;
    url = `https://${HOST}:${at?.http ?? 0}/`;
    await start(
      ['datanode', ...flags({ id: 'node-0', master: grpc, 'data-dir': file('node-0') })],
      secured,
    );
    const admin = { user: 'admin', 'password-file': join(file('master'), 'admin-password') };
    asAdmin.push(...flags({ master: grpc, ...admin }), ...trust);
    await until('a datanode', async () =>
      /serving/.test((await stele(['nodes', ...asAdmin])).stdout),
    );
    writeFileSync(file('rows.data'), 'a 1\nb 2\n');
    for (const keyspace of ['geo', 'prices']) {
      await done('load', keyspace, file('rows.data'), ...flags({ 'work-dir': file('work') }));
    }
    const password = flags({ 'new-password-file': file('password') });
    await done('role', 'add', 'geo', ...flags({ grant: ['read:geo', 'load:geo'] }));
    await done('user', 'add', 'alice', ...password, ...flags({ role: 'reader' }));
    await done('user', 'add', 'bob', ...password, ...flags({ role: 'geo' }));
    await done('user', 'add', 'olga', ...password, ...flags({ role: 'operator' }));
    browser = await startChromium();
    watched = await newPage(browser, url, { ignoreHTTPSErrors: true });
    ({ page } = watched);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await Promise.all(processes.map((each) => each.kill()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('asks who is there, and says why somebody is not let in', async () => {
    await page.goto(url);
    await shown('h1', /Log in to Stele/);
    expect(await axeViolations(page)).toEqual([]);
    await logIn('alice', 'wrong');
    await shown('[role=alert]', /The user or its password is wrong/);
    await page.getByLabel('Token').first().check();
    await page.getByRole('textbox', { name: 'Token' }).fill('no-token');
    await page.getByRole('button', { name: 'Log in' }).click();
    await shown('[role=alert]', /\w/);
    await page.getByLabel('User and password').check();
  });

  it('shows a reader everything, and no button that changes something', async () => {
    await logIn('alice', PASSWORD);
    await shown('h1', /Overview/);
    for (const [hash, text] of [
      ['keyspaces/geo', /You may read geo: another current version needs the right load/],
      ['nodes', /needs the right operate on everything/],
      ['events', /needs the right operate on everything/],
    ] as const) {
      await page.goto(`${url}#/${hash}`);
      await shown('.hint', text);
      const buttons = page.locator('main').getByRole('button');
      expect(await buttons.allInnerTexts()).toEqual([]);
    }
    await page.goto(`${url}#/key/geo`);
    await page.getByLabel('Key', { exact: true }).fill('a');
    await page.getByRole('button', { name: 'Look up' }).click();
    await shown('.value', /1/);
  });

  it('keeps the login in the tab alone', async () => {
    await page.reload();
    await shown('h1', /Key/);
    const kept = await page.evaluate<string>(
      'JSON.stringify([Object.entries(localStorage), document.cookie, location.href])',
    );
    expect(kept).not.toContain(Buffer.from(`alice:${PASSWORD}`).toString('base64'));
    expect(kept).not.toMatch(/alice|planted|Basic/);
    const other = await newPage(browser, url, { ignoreHTTPSErrors: true });
    await other.page.goto(url);
    await other.page.getByRole('heading', { name: 'Log in to Stele' }).waitFor();
    await other.page.context().close();
  });

  it('shows a user its keyspaces, with what it may do there', async () => {
    await page.getByRole('button', { name: 'Log out alice' }).click();
    await logIn('bob', PASSWORD);
    await page.goto(`${url}#/keyspaces`);
    await shown('tbody', /geo/);
    expect(await page.locator('tbody').innerText()).not.toContain('prices');
    await page.goto(`${url}#/keyspaces/geo`);
    await shown('.hint', /settings and drops need the right operate/);
    await page.getByRole('columnheader', { name: 'Change' }).waitFor();
    expect(await page.getByRole('button', { name: /Suspend|Drop/ }).count()).toBe(0);
  });

  it('shows an operator its buttons, which work', async () => {
    await page.getByRole('button', { name: 'Log out bob' }).click();
    await logIn('olga', PASSWORD);
    await page.goto(`${url}#/keyspaces/prices`);
    await page.getByRole('button', { name: 'Suspend ...' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Suspend' }).click();
    await page.getByRole('button', { name: 'Resume ...' }).waitFor();
    await page.goto(`${url}#/events`);
    await shown('tr', /suspend.*prices.*olga/);
  });

  it('asks again once the user may no longer log in', async () => {
    await done('user', 'disable', 'olga');
    await shown('[role=alert]', /The login has ended/);
    expect(watched.wrong).toEqual([]);
  });
});
