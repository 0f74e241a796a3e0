// `stele up` as a process: what it prints, what it restarts, and that it leaves nothing running.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stele, SteleProcess, until } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function upArguments(folder: string, ...more: string[]): string[] {
  const free = ['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'];
  const small = ['--datanodes', '1', '--replication', '1', '--shards', '8'];
  return ['up', '--data-dir', join(folder, 'data'), ...free, ...small, ...more];
}

describe('stele up', () => {
  it('loads, restarts what was killed on its old address, and ends without a trace', async () => {
    const folder = tempDir();
    const file = join(folder, 'rows.data');
    writeFileSync(file, 'a 1\nb 2\n');
    const up = new SteleProcess(upArguments(folder, '--load', `pairs=${file}`));
    onTestFinished(() => void up.kill());
    await up.printed(/^ready$/m);
    expect(up.stdout).toMatch(/^pairs: version 1, 2 keys in /m);
    const [master, node] = up.addresses();
    expect(up.addresses().map((line) => line.title)).toEqual(['master', 'datanode node-0']);

    const get = ['cli', '-p', String(master?.resp), '-k', 'pairs', 'GET', 'b'];
    expect(await stele(get)).toMatchObject({ code: 0, stdout: '2\n' });

    process.kill(node?.pid ?? 0, 'SIGKILL');
    await until('the restart', () => up.addresses().length === 3);
    const again = up.addresses()[2];
    expect(again).toEqual({ ...node, pid: again?.pid });
    expect(up.stderr).toMatch(/stele: datanode node-0 \(pid \d+\) ended \(SIGKILL\); starting it/);

    const { code } = await up.kill('SIGTERM');
    expect(code).toBe(0);
    const pids = up.addresses().map((line) => line.pid);
    expect(pids.some(isRunning)).toBe(false);
  });

  it('refuses a second one with its pid, waits for processes of a killed one, and clears', async () => {
    const folder = tempDir();
    const first = new SteleProcess(upArguments(folder));
    onTestFinished(() => void first.kill());
    await first.printed(/^ready$/m);
    const refused = await stele(upArguments(folder));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(`^stele: The data folder \\S+ is in use by \`stele up\` process ${first.pid} `),
    );

    await first.kill('SIGKILL');
    const second = new SteleProcess(upArguments(folder));
    onTestFinished(() => void second.kill());
    await second.printed(/^ready$/m);
    await second.kill('SIGTERM');

    writeFileSync(join(folder, 'data', 'mine.txt'), 'not of Stele');
    const asked = await stele(upArguments(folder, '--clear'));
    expect(asked.code).toBe(2);
    expect(asked.stderr).toMatch(/^stele: --clear deletes the cluster in \S+ .* add --yes /);
    expect(existsSync(join(folder, 'data', 'master', 'metadata'))).toBe(true);
    const lockFile = join(folder, 'data', 'node-0', 'mark');
    writeFileSync(lockFile, '');
    const third = new SteleProcess(upArguments(folder, '--clear', '--yes'));
    onTestFinished(() => void third.kill());
    await third.printed(/^ready$/m);
    expect(existsSync(lockFile)).toBe(false);
    expect(existsSync(join(folder, 'data', 'mine.txt'))).toBe(true);
    await third.kill('SIGTERM');
  }, 60_000);

  it('starts with the previous version if the file has shrunk too much, and says so', async () => {
    const folder = tempDir();
    const file = join(folder, 'rows.data');
    const start = async (rows: string): Promise<SteleProcess> => {
      writeFileSync(file, rows);
      const up = new SteleProcess(upArguments(folder, '--in-process', '--load', `pairs=${file}`));
      onTestFinished(() => void up.kill());
      await up.printed(/^ready$/m);
      return up;
    };
    await (await start('a 1\nb 2\nc 3\n')).kill('SIGTERM');
    const up = await start('a 9\n');
    expect(up.stderr).toMatch(
      /^stele: Version 2 of keyspace 'pairs' did not go live: it has 1 row,/m,
    );
    const get = ['cli', '-p', String(up.addresses()[0]?.resp), '-k', 'pairs', 'GET', 'a'];
    expect(await stele(get)).toMatchObject({ code: 0, stdout: '1\n' });
    expect((await up.kill('SIGTERM')).code).toBe(0);
  });

  it('serves without a datanode that cannot start if it has run before, and takes it back later', async () => {
    const folder = tempDir();
    const file = join(folder, 'rows.data');
    writeFileSync(file, 'a 1\nb 2\n');
    const two = (...more: string[]): string[] =>
      upArguments(folder, '--datanodes', '2', '--replication', '2', ...more);
    const start = async (...more: string[]): Promise<SteleProcess> => {
      const up = new SteleProcess(two(...more));
      onTestFinished(() => void up.kill());
      await up.printed(/^ready$/m);
      return up;
    };
    await (await start('--load', `pairs=${file}`)).kill('SIGTERM');
    const identity = join(folder, 'data', 'node-1', 'node.json');
    writeFileSync(identity, '');
    const up = await start();
    expect(up.stderr).toMatch(
      /^stele: datanode node-1: \S+node-1\/node\.json is damaged; .* THE CLUSTER STARTS WITHOUT IT; it is tried/m,
    );
    expect(up.addresses().map(({ title }) => title)).toEqual(['master', 'datanode node-0']);
    const get = ['cli', '-p', String(up.addresses()[0]?.resp), '-k', 'pairs', 'GET', 'b'];
    expect(await stele(get)).toMatchObject({ code: 0, stdout: '2\n' });
    rmSync(identity);
    await until('node-1', () => up.addresses().at(-1)?.title === 'datanode node-1');
    expect((await up.kill('SIGTERM')).code).toBe(0);

    // A fault that the user must fix ends the start.
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await until('the port', () => server.listening);
    const { port } = server.address() as AddressInfo;
    const taken = await stele(two('--resp-port', String(port - 1)));
    expect(taken).toMatchObject({ code: 1 });
    expect(taken.stderr.trim().split('\n').at(-1)).toMatch(/^stele: [^\n]*--resp-port/);
    const all = join(folder, 'data', 'node-0', 'node.json');
    for (const path of [identity, all]) writeFileSync(path, '');
    expect((await stele(two())).stderr).toMatch(/^stele: datanode node-0: .* is damaged/m);
  }, 60_000);

  it('fails if a datanode cannot start at the first start of a folder', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'data', 'node-0'), { recursive: true });
    writeFileSync(join(folder, 'data', 'node-0', 'node.json'), '');
    const done = await stele(upArguments(folder, '--datanodes', '2'));
    expect(done).toMatchObject({ code: 1 });
    expect(done.stderr.trim().split('\n').at(-1)).toMatch(/^stele: datanode node-0: .* is damaged/);
  });

  it('reports the port that is in use, and leaves no process running', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await until('the port', () => server.listening);
    const { port } = server.address() as AddressInfo;
    const done = await stele(upArguments(tempDir(), '--resp-port', String(port)));
    expect(done.code).toBe(1);
    expect(done.stdout).not.toContain('ready');
    expect(done.stderr).toContain(String(port));
    expect(done.stderr.trim().split('\n').at(-1)).toMatch(/^stele: master: [^\n]*--resp-port/);
  });
});
