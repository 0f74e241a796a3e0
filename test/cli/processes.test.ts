// Real processes of the built command: exit codes and streams as a shell sees them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROJECT, stele } from '../support/stele-process.ts';
import { startRespServer } from './resp-server.ts';

describe('the stele process', () => {
  it('ends with 0, 1 or 2, and keeps errors off stdout', async () => {
    const [ok, failed, usage] = await Promise.all([
      stele(['--version']),
      stele(['verify', '/no/such.seg']),
      stele(['frob']),
    ]);
    expect(ok).toMatchObject({ code: 0, stdout: '0.1.0\n', stderr: '' });
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(usage).toMatchObject({ code: 2, stdout: '' });
    for (const { stderr } of [failed, usage]) expect(stderr).toMatch(/^stele: [^\n]+\n$/);
  });

  it('does not mind a reader that goes away', async () => {
    const main = join(PROJECT, 'dist/cli/main.js');
    const child = spawn(process.execPath, [main, '--help']);
    child.stdout.destroy();
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  it('reads commands from a pipe, one a line', async () => {
    const { port } = await startRespServer([['k', 'v']]);
    const stdin = 'GET k\n\nECHO "a b"\r\nQUIT\nECHO never\n';
    const done = await stele(['cli', '-p', String(port)], { stdin });
    expect(done).toMatchObject({ code: 0, stdout: 'v\na b\n' });
  });

  it('knows use, help and comments in a script, and stops where its keyspace is not there', async () => {
    const { port } = await startRespServer([['k', 'v']], ['default', 'geo']);
    const script = (text: string) => stele(['cli', '-p', String(port)], { stdin: text });
    expect(await script('# a comment\n\nuse geo\nGET k\nquit\nGET k\n')).toMatchObject({
      code: 0,
      stdout: 'OK\nv\n',
    });
    expect((await script('help\n')).stdout).toContain('use KEYSPACE');
    const stopped = await script('GET k\nuse nope\nGET k\n');
    expect(stopped.code).toBe(1);
    expect(stopped.stdout).toMatch(/^v\nERR no such keyspace 'nope'[^\n]*\n$/);
  });
});
