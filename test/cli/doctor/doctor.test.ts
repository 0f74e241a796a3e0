import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { clockFinding } from '../../../cli/doctor/cluster.ts';
import { formatFindings, ok, warn } from '../../../cli/doctor/finding.ts';
import type { Finding } from '../../../cli/doctor/finding.ts';
import { checkFolder } from '../../../cli/doctor/folder.ts';
import { checkMachine } from '../../../cli/doctor/machine.ts';
import { checkPorts, isStele, listeners } from '../../../cli/doctor/ports.ts';
import { expiry } from '../../../cli/doctor/tls.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';
import { startFakeMaster } from '../../support/peers/fake-master.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { stele } from '../run-stele.ts';

const GiB = 1024 ** 3;
const DAY_MS = 86_400_000;

it('prints a line for each finding, with what to do', () => {
  const findings = [ok('a', 'fine'), warn('long', 'odd', 'Look.')];
  expect(formatFindings(findings, (_style, text) => text)).toBe(
    'ok    a     fine\nwarn  long  odd\n            -> Look.\n\n1 ok, 1 to look at, 0 failed.',
  );
});

describe('the machine', () => {
  const good = {
    ...{ node: '24.1.0', today: '2026-11-01', openFilesMax: 65_536 },
    ...{ usableMemoryBytes: 16 * GiB, overcommit: '0' },
  };
  const levels = (findings: readonly Finding[]) =>
    Object.fromEntries(findings.map(({ check, level }) => [check, level]));

  it('is fine as it usually is', () => {
    const all = { 'Node.js': 'ok', 'open files': 'ok', memory: 'ok', overcommit: 'ok' };
    expect(levels(checkMachine(good))).toEqual(all);
  });

  it.each([
    ['Node.js', { node: '20.20.2' }],
    ['open files', { openFilesMax: 256 }],
    ['memory', { usableMemoryBytes: GiB / 4 }],
    ['overcommit', { overcommit: '2' }],
  ])('has %s to look at', (check, change) => {
    expect(levels(checkMachine({ ...good, ...change }))).toMatchObject({ [check]: 'warn' });
  });
});

describe('the data folder', () => {
  it('may be missing, if it can be made', () => {
    const [rights] = checkFolder(join(tempDir(), 'a/b'));
    expect(rights).toMatchObject({
      level: 'ok',
      text: expect.stringMatching(/can be made$/) as string,
    });
  });

  it('is no file, and no place where nobody may write', () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    expect(checkFolder(file)).toMatchObject([{ level: 'fail' }]);
    expect(checkFolder('/proc/none')[0]).toMatchObject({ level: 'fail' });
  });
});

describe('a port', () => {
  it('is free, or taken by a process that is named', async () => {
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const look = () => checkPorts('127.0.0.1', [{ flag: 'http-port', port }]);
    const [taken] = await look();
    expect(taken).toMatchObject({ check: `port ${port}`, level: 'fail' });
    expect(taken?.text).toContain(`taken by pid ${process.pid}: `);
    await new Promise((resolve) => server.close(resolve));
    expect((await look())[0]?.text).toMatch(/^free/);
  });

  it.each([
    [true, 'node /usr/lib/stele/dist/cli/main.js master'],
    [true, 'node node_modules/.bin/stele up'],
    [true, 'stele datanode --id a'],
    [false, 'node /home/a/stele/node_modules/vitest/dist/worker.js'],
    [false, 'python3 /srv/stele/report.py'],
  ])('is of Stele: %s for %s', (expected, command) => {
    expect(isStele(command)).toBe(expected);
  });

  it('is found in the table of the kernel by its number and state', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1',
      '   1: 0100007F:2328 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1',
    ].join('\n');
    expect(listeners(table, 9000)).toEqual(['4711']);
  });
});

it('looks at clocks and at the expiry of certificates', () => {
  const level = (skewMs: number) => clockFinding('clock', skewMs).level;
  expect([0, -1500, 3000, -100_000].map(level)).toEqual(['ok', 'ok', 'warn', 'fail']);
  const left = (days: number) => expiry('certificate', days * DAY_MS)[0]?.level;
  expect([100, 10, -1].map(left)).toEqual(['ok', 'warn', 'fail']);
  expect(expiry('authority', undefined)).toEqual([]);
});

describe('stele doctor', () => {
  const OWN_PORTS = ['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'];
  const NOBODY = '127.0.0.1:1';

  it('ends with 1 if something fails, and 0 otherwise', async () => {
    const folder = ['--data-dir', tempDir()];
    const away = await stele(['doctor', ...folder, ...OWN_PORTS, '--master', NOBODY, '-o', 'json']);
    expect(away.code).toBe(1);
    const findings = JSON.parse(away.stdout) as Finding[];
    expect(findings).toContainEqual(
      expect.objectContaining({ check: `master ${NOBODY}`, level: 'fail' }),
    );
    expect(findings.filter(({ level }) => level === 'fail')).toHaveLength(1);
  });

  it('names variables that have no effect, and datanodes that cannot be reached', async () => {
    const folder = join(tempDir(), 'data');
    mkdirSync(folder);
    const { address } = await startFakeMaster(new FakeCluster());
    const words = ['doctor', '--data-dir', folder, ...OWN_PORTS, '--master', address];
    const done = await stele(words, { STELE_HTPP_PORT: '1' });
    expect(done.stdout).toMatch(
      /^warn +settings +STELE_HTPP_PORT is no setting of Stele \(Did you/m,
    );
    expect(done.stdout).toMatch(/^ok +master \S+ +answers, after/m);
    expect(done.stdout).toMatch(/^ok +health +green/m);
    expect(done.stdout).toMatch(/^fail +datanode datanode-0 +is not reachable from here/m);
    expect(done.code).toBe(1);
  });
});
