// The supervisor with small scripts as children, which speak its IPC messages.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SupervisedProcess } from '../../../cli/up/supervised-process.ts';
import type { NodeAddress } from '../../../proto/gen/stele/v1/view.ts';
import { builtModule, until } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Listens, and exits on SIGTERM or when its parent is gone. `word` is its argument. */
const GOOD_CHILD = `
  process.on('SIGTERM', () => process.exit(0));
  process.on('disconnect', () => process.exit(0));
  const httpPort = Number(process.argv[1]);
  process.send({ type: 'listening', address: { host: 'h', httpPort, respPort: 2, grpcPort: 3 } });
`;
const STUBBORN_CHILD = `
  process.on('SIGTERM', () => undefined);
  process.on('disconnect', () => undefined);
  setInterval(() => undefined, 1000);
  process.send({ type: 'listening', address: { host: 'h', httpPort: 1, respPort: 2, grpcPort: 3 } });
`;

function supervise(script: string, restart = true) {
  const events: string[] = [];
  const pids: number[] = [];
  const reported: (NodeAddress | undefined)[] = [];
  const supervised = new SupervisedProcess(
    {
      title: 'child',
      restart,
      command: (address) => {
        reported.push(address);
        return ['-e', script, String(address?.httpPort ?? 4711)];
      },
    },
    {
      listening: (title, pid, address) => {
        pids.push(pid);
        events.push(`${title} listens on ${address.httpPort}`);
      },
      ended: (title, _pid, how, restartMs) => events.push(`${title} ended ${how} ${restartMs}`),
      notRestarted: (sentence) => events.push(sentence),
    },
  );
  onTestFinished(() => supervised.kill());
  return { supervised, events, pids, reported };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('SupervisedProcess', () => {
  it('starts a child, reports where it listens, and stops it cleanly', async () => {
    const { supervised, events, pids } = supervise(GOOD_CHILD);
    expect(await supervised.start()).toMatchObject({ httpPort: 4711 });
    await supervised.stop();
    expect(events).toEqual(['child listens on 4711']);
    expect(isRunning(pids[0] ?? 0)).toBe(false);
  });

  it('starts a killed child again, on the address that it had', async () => {
    const { supervised, events, pids, reported } = supervise(GOOD_CHILD);
    await supervised.start();
    process.kill(pids[0] ?? 0, 'SIGKILL');
    await until('the second run', () => pids.length === 2);
    expect(events).toEqual([
      'child listens on 4711',
      'child ended SIGKILL 200',
      'child listens on 4711',
    ]);
    expect(reported).toEqual([undefined, expect.objectContaining({ httpPort: 4711, grpcPort: 3 })]);
    await supervised.stop();
    expect(pids.some(isRunning)).toBe(false);
  });

  it('does not restart a dead child if so asked', async () => {
    const { supervised, events, pids } = supervise(GOOD_CHILD, false);
    await supervised.start();
    process.kill(pids[0] ?? 0, 'SIGKILL');
    await until('its end', () => events.length === 2);
    expect(events[1]).toBe('child ended SIGKILL undefined');
    await supervised.stop();
    expect(pids).toHaveLength(1);
  });

  it('does not start a child again that is being stopped', async () => {
    const { supervised, events, pids } = supervise(GOOD_CHILD);
    await supervised.start();
    process.kill(pids[0] ?? 0, 'SIGKILL');
    await until('its end', () => events.length === 2);
    await supervised.stop();
    expect(pids).toHaveLength(1);
  });

  it("fails with the child's own sentence", async () => {
    const failed = { type: 'failed', sentence: 'Port 9 is taken.', code: 'PORT_IN_USE' };
    const { supervised, events } = supervise(`process.send(${JSON.stringify(failed)})`);
    await expect(supervised.start()).rejects.toMatchObject({
      message: 'child: Port 9 is taken.',
      code: 'PORT_IN_USE',
    });
    expect(events).toEqual([]);
  });

  it('fails if the child ends without a message', async () => {
    const { supervised } = supervise('process.exit(7)');
    await expect(supervised.start()).rejects.toThrow(/child: It ended before .*exit code 7/);
    const misused = supervise('process.exit(2)').supervised;
    await expect(misused.start()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('retries a child that did not start until it does, if so asked', async () => {
    const mark = JSON.stringify(join(tempDir(), 'mark'));
    const script = `if (!require('node:fs').existsSync(${mark})) process.exit(7); ${GOOD_CHILD}`;
    const { supervised, events } = supervise(script);
    await expect(supervised.start()).rejects.toThrow(/exit code 7/);
    supervised.keepTrying();
    await until('the second attempt to fail', () => events.length === 1);
    writeFileSync(JSON.parse(mark) as string, '');
    await until('the start', () => events.at(-1) === 'child listens on 4711');
    await supervised.stop();
  });

  it('kills at once on request', async () => {
    const { supervised, pids } = supervise(STUBBORN_CHILD);
    await supervised.start();
    supervised.kill();
    await supervised.stop();
    expect(isRunning(pids[0] ?? 0)).toBe(false);
  });

  it('leaves no child behind when it is killed itself', async () => {
    const module = builtModule('cli/up/supervised-process.ts');
    const script = join(tempDir(), 'parent.mjs');
    writeFileSync(
      script,
      `import { SupervisedProcess } from ${JSON.stringify(module)};
       const spec = { title: 'c', restart: true, command: () => ['-e', ${JSON.stringify(GOOD_CHILD)}, '1'] };
       const events = { listening: (_title, pid) => console.log(pid) };
       await new SupervisedProcess(spec, events).start();`,
    );
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until('the end of the child', () => !isRunning(pid), 5000);
  });
});
