import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { AuditFile } from '../../../access/audit/audit-file.ts';
import { openAudit } from '../../../access/audit/open-audit.ts';
import { silentLogger } from '../../../base/log.ts';
import { until } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

function fileAt(path: string): AuditFile {
  const lostLine = (count: number): string => `${count} lost\n`;
  const file = new AuditFile(path, { log: silentLogger, lostLine });
  onTestFinished(() => file.close());
  return file;
}

it('is appended to, in order, with mode 0600', async () => {
  const path = join(tempDir(), 'audit.log');
  writeFileSync(path, 'before\n', { mode: 0o600 });
  const file = fileAt(path);
  const lines = Array.from({ length: 1_000 }, (_, at) => `line ${at}\n`);
  for (const line of lines) file.write(line);
  await file.close();
  expect(readFileSync(path, 'utf8')).toBe(`before\n${lines.join('')}`);
  expect([statSync(path).mode & 0o777, file.lostTotal]).toEqual([0o600, 0]);
});

it('goes on in a new file after it was renamed', async () => {
  const path = join(tempDir(), 'audit.log');
  const file = fileAt(path);
  file.write('one\n');
  await until('the first line', () => readFileSync(path, 'utf8') === 'one\n');
  renameSync(path, `${path}.1`);
  file.reopen();
  file.write('two\n');
  await file.close();
  expect([readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')]).toEqual([
    'one\n',
    'two\n',
  ]);
});

it('counts what it cannot write, and says so when it can again', async () => {
  const folder = join(tempDir(), 'logs');
  mkdirSync(folder);
  const path = join(folder, 'audit.log');
  const file = fileAt(path);
  expect(file.trouble).toBe(undefined);
  rmSync(folder, { recursive: true });
  file.reopen();
  for (let at = 0; at < 3; at++) {
    file.write('lost\n');
    await until('the failure', () => file.lostTotal === at + 1);
  }
  expect(file.trouble).toMatch(/ENOENT/);
  mkdirSync(folder);
  file.write('kept\n');
  await until('the recovery', () => file.trouble === undefined);
  expect(readFileSync(path, 'utf8')).toBe('\n3 lost\nkept\n');
});

it('takes no more memory than 1 MiB while the disk is slow', () => {
  const file = fileAt(join(tempDir(), 'audit.log'));
  const line = `${'x'.repeat(1023)}\n`;
  // No append ends within this event-loop tick.
  for (let at = 0; at < 3_000; at++) file.write(line);
  expect(file.lostTotal).toBeGreaterThan(900);
  expect(file.trouble).toMatch(/takes no writes/);
});

it('is refused at the start if it cannot be a file', () => {
  for (const path of [join(tempDir(), 'none', 'audit.log'), tempDir()]) {
    expect(() => fileAt(path)).toThrow(/--audit-log .* cannot be written/);
  }
});

it('is opened by the settings: with users there is a log in memory', () => {
  const open = (auth: 'on' | 'off', auditLog: string) =>
    openAudit({ auth, auditLog }, 'master', silentLogger);
  expect(open('off', '')).toBe(undefined);
  expect(open('on', '')?.sink).toBe(undefined);
  expect(open('off', '-')?.sink?.reopen).toBe(undefined);
  expect(open('off', join(tempDir(), 'audit.log'))?.sink?.reopen).toBeTypeOf('function');
});
