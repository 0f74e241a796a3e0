import { beforeEach, describe, expect, it } from 'vitest';
import type { KeyspaceSummary } from '../../../../proto/gen/stele/v1/cluster.ts';
import { Tier } from '../../../../proto/gen/stele/v1/view.ts';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';
import { startFakeMaster } from '../../../support/peers/fake-master.ts';
import { stele } from '../../run-stele.ts';

/** A cluster that lists `default` in a tier, with what is left of a change at each look. */
class MovingCluster extends FakeCluster {
  tier: Tier = Tier.DISK;
  changed = true;
  segments = 4;
  /** The last one stays. */
  left: KeyspaceSummary['moving'][] = [undefined];

  override async setTier(request: { keyspace: string; tier: Tier }) {
    const { bytes, tier } = await super.setTier(request);
    return { tier, changed: this.changed, segments: this.segments, bytes };
  }

  override async listKeyspaces() {
    const { keyspaces } = await super.listKeyspaces();
    const moving = this.left.length > 1 ? this.left.shift() : this.left[0];
    return { keyspaces: keyspaces.map((one) => ({ ...one, tier: this.tier, moving })) };
  }
}

const LEFT = { segmentsLeft: 12, bytesLeft: 3 * 1024 * 1024, nodesUnknown: 0, failure: '' };
let cluster: MovingCluster;
let address: string;

beforeEach(async () => {
  cluster = new MovingCluster();
  ({ address } = await startFakeMaster(cluster));
});

const run = (...words: string[]) => stele([...words, '--master', address]);
const tier = (...words: string[]) => run('tier', 'default', ...words);

describe('stele tier', () => {
  it('says what is moved in the background', async () => {
    expect(await tier('disk')).toEqual({
      code: 0,
      stderr: '',
      stdout:
        'The records of default are to be on disk: 4 segments (4.0 KiB a copy) are moved in the background, and reads go on.\n',
    });
    expect(cluster.calls).toEqual(['tier default disk']);
    const json = await tier('memory', '-o', 'json');
    const to_move = { segments: 4, bytes: 4096 };
    expect(JSON.parse(json.stdout)).toEqual({ keyspace: 'default', tier: 'memory', to_move });
  });

  it('says when there is nothing to do', async () => {
    cluster.segments = 0;
    expect((await tier('disk')).stdout).toMatch(/: there is nothing to move now\./);
    cluster.changed = false;
    expect((await tier('disk')).stdout).toMatch(
      /are to be on disk already: nothing is changed\.$/m,
    );
    expect(JSON.parse((await tier('disk', '-o', 'json')).stdout)).toMatchObject({ to_move: null });
  });

  it('waits until all datanodes have moved it', async () => {
    cluster.left = [{ ...LEFT, segmentsLeft: 0, nodesUnknown: 1 }, LEFT, undefined];
    const done = await tier('disk', '--wait');
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toBe('The records of default are on disk, on all datanodes that serve.\n');
    expect(cluster.left).toHaveLength(1);
  });

  it('ends with 4 when they have not in time, and says what is left', async () => {
    cluster.left = [{ ...LEFT, failure: 'datanode a: no memory' }];
    const late = await tier('disk', '--wait=1ms');
    expect(late).toMatchObject({ code: 4, stdout: '' });
    expect(late.stderr).toContain(
      'Waited 1 ms for default to be on disk: 12 segments left (3.0 MiB), the last try failed (datanode a: no memory). The datanodes go on; see `stele keyspaces -o wide`.',
    );
  });

  it('does not take another tier, or an answer of the last view, for the end of a wait', async () => {
    const other = await tier('memory', '--wait');
    expect(other.stderr).toMatch(/The tier of 'default' was changed to disk in the meantime/);
    const silent = tier('disk', '--wait=300ms');
    cluster.loseLeader();
    expect(await silent).toMatchObject({ code: 4 });
  });

  it('refuses what is not a tier', async () => {
    expect(await tier('ssd')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'ssd' is not 'memory' or 'disk'.") as string,
    });
    expect(await run('load', 'ks', 'x.csv', '--tier', 'ssd')).toMatchObject({ code: 2 });
    expect(cluster.calls).toEqual([]);
  });
});

describe('listings', () => {
  it('have the tier, what is left, and a failure as a sentence', async () => {
    cluster.left = [{ ...LEFT, nodesUnknown: 2, failure: 'datanode a: no memory' }];
    const { stdout } = await run('keyspaces', '-o', 'wide');
    const text =
      'moving to disk: 12 segments left (3.0 MiB), 2 datanodes have not said yet what is left, the last try failed (datanode a: no memory)';
    expect(stdout).toMatch(/ on +moving to disk +2026/);
    expect(stdout).toContain(`\ndefault is ${text}.\n`);
    expect((await run('keyspaces')).stdout).toMatch(
      /\ndefault is moving to disk: 12 segm.*memory\)\.$/m,
    );
    expect((await run('describe', 'keyspace', 'default')).stdout).toContain(text);
    const json = JSON.parse((await run('keyspaces', '-o', 'json')).stdout) as object[];
    const tier_move = { segments_left: 12, nodes_unknown: 2, failure: 'datanode a: no memory' };
    expect(json).toMatchObject([{ tier: 'disk', tier_move }]);
    cluster.left = [undefined];
    expect((await run('keyspaces', '-o', 'wide')).stdout).toMatch(/ on +disk +2026/);
  });

  it('have the bytes of the disk tier of each datanode', async () => {
    expect((await run('nodes', '-o', 'wide')).stdout).toMatch(/DISK TIER[^]* 8 B /);
    expect((await run('describe', 'node', 'datanode-0')).stdout).toContain('8 B, of which records');
  });
});
