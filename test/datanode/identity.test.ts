import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeIdentity } from '../../datanode/identity.ts';
import type { OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import { tempDir } from '../support/temp-dir.ts';

const NOBODY_UID = 65_534;

function headerFor(identity: NodeIdentity, more: Partial<OrderHeader> = {}): OrderHeader {
  const { incarnation, nodeId } = identity;
  return { epoch: 5, nodeId, incarnation, clusterId: 'c1', ...more };
}

function savedIn(folder: string): unknown {
  return JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8'));
}

/** A folder in place of the temporary file makes every write of node.json fail. */
const block = (folder: string): string => {
  const path = join(folder, 'node.json.tmp');
  mkdirSync(join(path, 'in the way'), { recursive: true });
  return path;
};

describe('an order', () => {
  const others: [string, Partial<OrderHeader>, string][] = [
    ['an older epoch', { epoch: 4 }, 'STALE_EPOCH'],
    ['another node', { nodeId: 'n2' }, 'WRONG_NODE'],
    ['no node', { nodeId: '' }, 'WRONG_NODE'],
    ['another run', { incarnation: 'x' }, 'WRONG_NODE'],
    ['no run', { incarnation: '' }, 'WRONG_NODE'],
    ['another cluster', { epoch: 6, clusterId: 'c2' }, 'CONFLICT'],
    ['no cluster', { epoch: 6, clusterId: '' }, 'INVALID_ARGUMENT'],
    ['an epoch that no master can have reached', { epoch: 2 ** 53 - 1 }, 'INVALID_ARGUMENT'],
    ['an epoch far above', { epoch: 1_000_006 }, 'INVALID_ARGUMENT'],
  ];
  it.each(others)('of %s is refused, also after a restart', async (_name, wrong, code) => {
    const folder = tempDir();
    const first = await NodeIdentity.open(folder, 'n1');
    await first.admit(headerFor(first));
    for (const identity of [first, await NodeIdentity.open(folder, 'n1')]) {
      await expect(identity.admit(headerFor(identity, wrong))).rejects.toMatchObject({ code });
      await identity.admit(headerFor(identity));
    }
    expect(savedIn(folder)).toMatchObject({ clusterId: 'c1', epoch: 5 });
  });

  it('is admitted only once its epoch is durable, with other orders waiting for the same write', async () => {
    const folder = tempDir();
    const identity = await NodeIdentity.open(folder, 'n1');
    const admitted = [5, 5, 6, 7].map((epoch) =>
      identity.admit(headerFor(identity, { epoch })).then(
        () => ({ epoch, saved: savedIn(folder) }),
        (thrown: unknown) => thrown,
      ),
    );
    const outcomes = await Promise.all(admitted);
    // By the time their epoch was saved, the first three masters had been replaced.
    for (const outcome of outcomes.slice(0, 3)) {
      expect(outcome).toMatchObject({ code: 'STALE_EPOCH' });
    }
    expect(outcomes[3]).toMatchObject({ epoch: 7, saved: { epoch: 7 } });
  });

  it('is refused while its epoch cannot be saved, and admitted as soon as it can', async () => {
    const folder = tempDir();
    const identity = await NodeIdentity.open(folder, 'n1');
    await identity.admit(headerFor(identity));
    const blocked = block(folder);
    for (let time = 0; time < 3; time++) {
      const order = identity.admit(headerFor(identity, { epoch: 6 }));
      await expect(order).rejects.toThrow(/node\.json cannot be written .* orders of epoch 6/);
    }
    expect(savedIn(folder)).toMatchObject({ epoch: 5 });
    // A question changes nothing, so it needs no disk.
    identity.admitQuestion(headerFor(identity, { epoch: 6, incarnation: '' }));
    const old = identity.admit(headerFor(identity, { epoch: 5 }));
    await expect(old).rejects.toMatchObject({ code: 'STALE_EPOCH' });
    await expect(identity.admit(headerFor(identity, { epoch: 6 }))).rejects.toThrow();
    rmSync(blocked, { recursive: true });
    await identity.admit(headerFor(identity, { epoch: 6 }));
    expect(savedIn(folder)).toMatchObject({ epoch: 6 });
  });
});

describe('what is to be served', () => {
  it('is admitted if its epoch cannot be saved, and then not from an older master', async () => {
    const folder = tempDir();
    const identity = await NodeIdentity.open(folder, 'n1');
    expect(await identity.admitToServe(headerFor(identity))).toBe(true);
    const blocked = block(folder);
    expect(await identity.admitToServe(headerFor(identity, { epoch: 6 }))).toBe(false);
    expect(identity.saveError).not.toBe('');
    expect(savedIn(folder)).toMatchObject({ epoch: 5 });
    const others: [Partial<OrderHeader>, string][] = [
      [{ epoch: 5 }, 'STALE_EPOCH'],
      [{ epoch: 6, term: 'another start' }, 'STALE_EPOCH'],
      [{ epoch: 6, clusterId: 'c2' }, 'CONFLICT'],
      [{ epoch: 6, incarnation: 'x' }, 'WRONG_NODE'],
    ];
    const later = await NodeIdentity.open(folder, 'n1');
    await later.admitToServe(headerFor(later, { epoch: 6, term: 'a start' }));
    for (const [wrong, code] of others) {
      const header = headerFor(later, { term: 'a start', ...wrong });
      await expect(later.admitToServe(header)).rejects.toMatchObject({ code });
    }
    rmSync(blocked, { recursive: true });
    expect(await identity.admitToServe(headerFor(identity, { epoch: 6 }))).toBe(true);
    expect(identity.saveError).toBe('');
  });

  it('waits for a disk that hangs no longer than a master waits for the answer', async () => {
    const folder = tempDir();
    const identity = await NodeIdentity.open(folder, 'n1');
    // A write blocks here until somebody reads.
    const pipe = join(folder, 'node.json.tmp');
    execFileSync('mkfifo', [pipe]);
    expect(await identity.admitToServe(headerFor(identity))).toBe(false);
    await readFile(pipe);
  });

  it('is not admitted if a newer master is heard in the meantime', async () => {
    const folder = tempDir();
    const identity = await NodeIdentity.open(folder, 'n1');
    const older = identity.admitToServe(headerFor(identity));
    identity.admitQuestion(headerFor(identity, { epoch: 6 }));
    await expect(older).rejects.toMatchObject({ code: 'STALE_EPOCH' });
  });
});

describe('node.json', () => {
  it('is not being written any more when the identity is closed, unless the disk hangs', async () => {
    const folder = tempDir();
    const identity = await NodeIdentity.open(folder, 'n1');
    identity.admitQuestion(headerFor(identity));
    await identity.close();
    expect(savedIn(folder)).toMatchObject({ epoch: 5 });
    const pipe = join(folder, 'node.json.tmp');
    execFileSync('mkfifo', [pipe]);
    identity.admitQuestion(headerFor(identity, { epoch: 6 }));
    await identity.close();
    expect(savedIn(folder)).toMatchObject({ epoch: 5 });
    await readFile(pipe);
  });

  it('of another node is not used', async () => {
    const folder = tempDir();
    const identity = await NodeIdentity.open(folder, 'n1');
    await identity.admit(headerFor(identity));
    await expect(NodeIdentity.open(folder, 'n2')).rejects.toThrow(/belongs to datanode 'n1'/);
  });

  it('that is damaged may be removed; one that cannot be read may not', async () => {
    const folder = tempDir();
    const path = join(folder, 'node.json');
    writeFileSync(path, '{"format":');
    await expect(NodeIdentity.open(folder, 'n1')).rejects.toThrow(/is damaged.*Remove the file/);
    rmSync(path);
    mkdirSync(path);
    await expect(NodeIdentity.open(folder, 'n1')).rejects.toThrow(/cannot be read.*Do not remove/);
  });

  it('without the right to read it is reported', async () => {
    const folder = tempDir();
    const path = join(folder, 'node.json');
    writeFileSync(path, '{}');
    chmodSync(path, 0);
    chmodSync(folder, 0o755);
    const isRoot = process.geteuid?.() === 0;
    // Root can read everything.
    if (isRoot) process.seteuid?.(NOBODY_UID);
    try {
      await expect(NodeIdentity.open(folder, 'n1')).rejects.toThrow(/EACCES.*right to read/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });
});
