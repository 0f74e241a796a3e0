import { describe, expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { hurry } from '../../support/hurry.ts';
import { failure, rowsText, setUp, write } from '../load-setup.ts';

describe('segments on their way', () => {
  it('that do not fit end the load at once, for good', async () => {
    const { folder, load, master } = await setUp();
    for (const node of master.nodes) {
      node.beforeStored = () => {
        throw new SteleError('MEMORY_LIMIT', 'This datanode may hold 3.0 MiB.');
      };
    }
    const file = write(folder, 'a.data', rowsText(3000).text);
    const error = await failure(load([file], { replicaWait: '10m' }));
    expect(error).toMatchObject({
      code: 'MEMORY_LIMIT',
      message: expect.stringContaining('The load does not fit: ') as string,
    });
    expect([master.aborted.length, master.interrupted.length]).toEqual([1, 0]);
  });

  it('are not built and sent again where a commit must wait for replicas', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data', rowsText(3000).text);
    const stages: string[] = [];
    let commits = 0;
    hurry();
    master.beforeCommit = () => {
      if (++commits > 1) return;
      // One owner has lost one of them meanwhile.
      const [lost = ''] = master.nodes[0]!.segments.keys();
      master.nodes[0]!.segments.delete(lost);
    };
    const onProgress = ({ stage }: { stage: string }): void => void stages.push(stage);
    const summary = await load([file], { replicaWait: '60s' }, { onProgress });
    expect(summary.loaded).toBe(3000);
    expect(commits).toBe(2);
    const received = master.nodes.reduce((sum, node) => sum + node.received, 0);
    expect(received).toBe(2 * 8 + 1);
  });

  it('end when the master no longer names the node that they go to', async () => {
    const { folder, load, master } = await setUp();
    const [stuck] = master.nodes;
    hurry();
    let isNamed = true;
    stuck!.beforeStored = () => {
      if (isNamed) setTimeout(() => void master.nodes.shift(), 4_000);
      isNamed = false;
      // Simulates a hang: no answer until long after the test.
      return new Promise(() => undefined);
    };
    const file = write(folder, 'a.data', rowsText(3000).text);
    const awaited = new Set<string>();
    const onProgress = (progress: { awaited: readonly string[] }): void => {
      for (const id of progress.awaited) awaited.add(id);
    };
    const summary = await load([file], { replicaWait: '120s' }, { onProgress });
    expect(summary.loaded).toBe(3000);
    expect([...awaited]).toEqual([stuck!.id]);
  }, 30_000);
});
