// Real processes of the built command: exit codes and streams as a shell sees them.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ANY_PORTS, PROJECT, stele, SteleProcess } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { startRespServer } from '../../cli/resp-server.ts';

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

  it('ignores a reader that closes the pipe', async () => {
    const main = join(PROJECT, 'dist/cli/main.js');
    const child = spawn(process.execPath, [main, '--help']);
    child.stdout.destroy();
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  it('fails if its output cannot be written', async () => {
    const main = join(PROJECT, 'dist/cli/main.js');
    const full = openSync('/dev/full', 'w');
    for (const words of [['--help'], ['config'], ['config', '-o', 'json']]) {
      const child = spawnSync(process.execPath, [main, ...words], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      const sentence = 'stele: The output cannot be written (ENOSPC); make room for it';
      expect(child.stderr).toMatch(sentence);
      expect(child.status).toBe(1);
    }
  });

  it('a server continues if its output cannot be written, and counts the lost lines', async () => {
    const main = join(PROJECT, 'dist/cli/main.js');
    const folder = tempDir();
    const roles = [
      { words: ['master'], isUp: /"http":(\d+).*the master is up/ },
      { words: ['datanode', '--id', 'a', '--master', '127.0.0.1:1'], isUp: /not registered/ },
    ];
    for (const { isUp, words } of roles) {
      const args = [main, ...words, '--data-dir', join(folder, words[0] ?? ''), ...ANY_PORTS];
      const child = spawn(process.execPath, args, {
        stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      let log = '';
      child.stderr?.on('data', (data: Buffer) => (log += data.toString()));
      await vi.waitFor(() => expect(log).toMatch(isUp), 20_000);
      const port = isUp.exec(log)?.[1];
      if (port !== undefined) {
        const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        expect(metrics).toContain('\nstele_log_lines_lost_total 1\n');
      }
      child.kill();
      expect(await once(child, 'exit')).toEqual([0, null]);
    }
  });

  it.each(['18.20.4', '20.18.3', '21.7.0', '22.1.0'])('says what it needs on Node.js %s', (old) => {
    const main = join(PROJECT, 'dist/cli/main.js');
    const fake = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${old}' })`;
    const child = spawnSync(process.execPath, ['--import', fake, main, 'up'], { encoding: 'utf8' });
    expect(child).toMatchObject({ status: 1, stdout: '' });
    expect(child.stderr).toBe(
      `stele: Stele needs Node.js 20.19 or newer (22.2 of the line 22), and this is ${old}; install a newer one.\n`,
    );
  });

  it('reports that the current folder is gone, and that standard input is a folder', () => {
    const main = join(PROJECT, 'dist/cli/main.js');
    const inGoneFolder = `mkdir gone && cd gone && rmdir ../gone && exec "$@"`;
    for (const words of [
      ['load', 'ks', main, '--format', 'line'],
      ['up', '--data-dir', 'x'],
    ]) {
      const args = ['-c', inGoneFolder, 'sh', process.execPath, main, ...words];
      const child = spawnSync('sh', args, { cwd: tempDir(), encoding: 'utf8' });
      expect(child.stderr).toBe(
        'stele: The folder that this command was started in is gone; change to another one and run it again.\n',
      );
      expect(child.status).toBe(1);
    }
    const words = ['load', 'ks', '-', '--format', 'csv', '--sample', '1', '--work-dir', tempDir()];
    const child = spawnSync(process.execPath, [main, ...words], {
      stdio: [openSync(tempDir(), 'r'), 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    expect(child.stderr).toMatch(/^stele: Standard input is a folder; /m);
    expect(child.status).toBe(1);
  });

  it('loads nothing before it has checked the version of Node.js', () => {
    const text = readFileSync(join(PROJECT, 'dist/cli/main.js'), 'utf8');
    expect(text.match(/^import $/gm)).toBeNull();
  });

  it.each(['master', 'datanode', 'up'])(
    '%s stops cleanly when its terminal is gone',
    async (verb) => {
      const words: Record<string, string[]> = {
        master: ['master', ...ANY_PORTS],
        datanode: ['datanode', '--id', 'a', '--master', '127.0.0.1:1', ...ANY_PORTS],
        up: ['up', '--datanodes', '1', ...ANY_PORTS],
      };
      const env = { STELE_LOG_LEVEL: 'info' };
      const one = new SteleProcess([...(words[verb] ?? []), '--data-dir', tempDir()], { env });
      await one.printed(verb === 'up' ? /^ready$/m : / pid /);
      const { code, signal, stderr } = await one.kill('SIGHUP');
      expect({ code, signal }).toEqual({ code: 129, signal: null });
      expect(stderr).toContain('"msg":"stopping"');
    },
  );

  it('a datanode that listens everywhere announces an address that can be dialled, and the given ports', async () => {
    const master = new SteleProcess(['master', ...ANY_PORTS, '--data-dir', tempDir()]);
    onTestFinished(() => void master.kill());
    await master.printed(/ pid /);
    const grpc = master.addresses()[0]?.grpc ?? 0;
    const node = new SteleProcess([
      ...['datanode', '--id', 'a', '--host', '0.0.0.0', '--insecure'],
      ...['--master', `127.0.0.1:${grpc}`],
      ...['--announce-resp-port', '17380', '--data-dir', tempDir(), ...ANY_PORTS],
    ]);
    onTestFinished(() => void node.kill());
    await node.printed(/ pid /);
    expect(node.addresses()[0]).toMatchObject({ host: '127.0.0.1', resp: 17_380 });
    const listed = async (): Promise<string> =>
      (await stele(['nodes', '--master', `127.0.0.1:${grpc}`, '-o', 'json'])).stdout;
    await expect.poll(listed, { timeout: 20_000, interval: 200 }).toMatch(/17380/);
    expect(await listed()).not.toContain('0.0.0.0');
  }, 30_000);

  it('a master whose port is in use creates no catalog', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const folder = tempDir();
    const words = [...ANY_PORTS, '--grpc-port', String(port), '--data-dir', folder];
    const refused = await stele(['master', ...words]);
    expect(refused.stderr).toContain(`Something already listens on 127.0.0.1:${port}`);
    expect(readdirSync(folder)).toEqual(['LOCK']);
  });

  it('reads commands from a pipe, one per line', async () => {
    const { port } = await startRespServer([['k', 'v']]);
    const stdin = 'GET k\n\nECHO "a b"\r\nQUIT\nECHO never\n';
    const done = await stele(['cli', '-p', String(port)], { stdin });
    expect(done).toMatchObject({ code: 0, stdout: 'v\na b\n' });
  });

  it('waits for no reply that CLIENT REPLY has switched off', async () => {
    const { port } = await startRespServer([['k', 'v']]);
    const lines = ['CLIENT REPLY SKIP', 'GET k', 'GET k', 'client reply off', 'GET k', 'help get'];
    const stdin = [...lines, 'use geo', 'CLIENT REPLY ON', 'GET k', ''].join('\n');
    const done = await stele(['cli', '-p', String(port)], { stdin });
    expect(done).toMatchObject({
      code: 0,
      stdout:
        'v\nThe server does not describe its commands now (CLIENT REPLY, or an older server).\nOK\nv\n',
    });
    const silent = await stele(['cli', '-p', String(port), '-o', 'json', 'CLIENT', 'REPLY', 'OFF']);
    expect(silent).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('accepts use, help and comments in a script, and stops if its keyspace does not exist', async () => {
    const { port } = await startRespServer([['k', 'v']], ['default', 'geo']);
    const script = (text: string) => stele(['cli', '-p', String(port)], { stdin: text });
    expect(await script('# a comment\n\nuse geo\nGET k\nquit\nGET k\n')).toMatchObject({
      code: 0,
      stdout: 'OK\nv\n',
    });
    expect((await script('help\n')).stdout).toContain('use KEYSPACE');
    const stopped = await script('GET k\nuse nope\nGET k\n');
    expect(stopped.code).toBe(1);
    expect(stopped.stdout).toMatch(/^v\nERR There is no keyspace 'nope'[^\n]*\n$/);
  });
});
