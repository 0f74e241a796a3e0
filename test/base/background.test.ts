import { describe, expect, it } from 'vitest';
import { BackgroundTasks } from '../../base/background.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

interface LoggedError {
  readonly task: string;
  readonly code: string;
}

function recordingTasks() {
  const logged: LoggedError[] = [];
  const log = { error: (fields: LoggedError) => logged.push(fields) } as unknown as Logger;
  return { tasks: new BackgroundTasks(log), logged };
}

describe('BackgroundTasks', () => {
  it('logs a failure under the name of its task, and counts it', async () => {
    const { tasks, logged } = recordingTasks();
    tasks.run('copy', () => Promise.reject(new SteleError('DISK_FULL', 'no room')));
    tasks.run('copy', () => Promise.reject(new Error('other')));
    await tasks.settled();
    expect(logged.map(({ task, code }) => [task, code])).toEqual([
      ['copy', 'DISK_FULL'],
      ['copy', 'INTERNAL'],
    ]);
    expect([...tasks.failures()]).toEqual([['copy', 2]]);
  });

  it('counts an error of a part that continues to run', () => {
    const { tasks, logged } = recordingTasks();
    expect(tasks.guard('turn', () => undefined)).toBe(true);
    expect(
      tasks.guard('turn', () => {
        throw new Error('broken');
      }),
    ).toBe(false);
    expect(logged.map(({ task, code }) => [task, code])).toEqual([['turn', 'INTERNAL']]);
    expect([...tasks.failures()]).toEqual([['turn', 1]]);
  });

  it('handles a task that throws before its first await', async () => {
    const { tasks, logged } = recordingTasks();
    tasks.run('sync', () => {
      throw new Error('at once');
    });
    await tasks.settled();
    expect(logged).toHaveLength(1);
  });

  it('settles only when tasks begun by tasks have ended too', async () => {
    const { tasks } = recordingTasks();
    const ended: string[] = [];
    tasks.run('outer', async () => {
      await Promise.resolve();
      tasks.run('inner', async () => {
        await new Promise((resolve) => setImmediate(resolve));
        ended.push('inner');
      });
      ended.push('outer');
    });
    await tasks.settled();
    expect(ended).toEqual(['outer', 'inner']);
  });

  it('continues to repeat a task that has failed, until it is stopped', async () => {
    const { tasks } = recordingTasks();
    const stop = new AbortController();
    let calls = 0;
    tasks.repeat('expire', 1, stop.signal, () => {
      if (++calls === 3) stop.abort();
      return Promise.reject(new SteleError('DISK_FULL', 'no room'));
    });
    await tasks.settled();
    expect(calls).toBe(3);
    expect([...tasks.failures()]).toEqual([['expire', 3]]);
  });

  it('settles at once when nothing runs', async () => {
    const { tasks } = recordingTasks();
    await tasks.settled();
    expect(tasks.failures().size).toBe(0);
  });
});
