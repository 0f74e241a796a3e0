// A few hundred operations under random faults, by seeds: nothing that was acknowledged is lost,
// and nothing torn is ever read.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bodyOfBytes, readObject } from '../../../archive/open-store.ts';
import { toSteleError } from '../../../base/errors.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import type { S3Fault } from '../../support/s3/s3-server.ts';
import { ownS3 } from '../../support/s3/stores.ts';

const OPERATIONS = 300;
const FAULTS: readonly S3Fault[] = ['error', 'slow-down', 'reset', 'torn', 'lost', 'conflict'];
/** Errors with which an operation may end under faults. */
const ENDS = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'IO']);

const seeds = fc.sample(fc.integer({ min: 1, max: 1_000_000 }), 4);

test.each(seeds)('seed %i', async (seed) => {
  const random = seededRandom(seed);
  const { s3, store } = await ownS3({ random, backoffMs: 1 });
  s3.fault = () => (random() < 0.25 ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined);
  /** By name: what may be there; undefined among them: nothing. */
  const possible = new Map<string, (Buffer | undefined)[]>();
  const now = (name: string): (Buffer | undefined)[] => possible.get(name) ?? [undefined];
  for (let operation = 0; operation < OPERATIONS; operation++) {
    const name = `k/${Math.floor(random() * 12)}`;
    const kind = random();
    const before = now(name);
    if (kind < 0.45) {
      const bytes = Buffer.alloc(Math.floor(random() ** 3 * 300_000), `${seed}-${operation}-`);
      const ifAbsent = random() < 0.5;
      try {
        await store.put(name, bodyOfBytes(bytes), { ifAbsent });
        if (ifAbsent) expect(before).toContain(undefined);
        possible.set(name, [bytes]);
      } catch (thrown) {
        const { code } = toSteleError(thrown);
        if (code === 'CONFLICT') {
          expect(ifAbsent).toBe(true);
          const there = before.filter((one) => one !== undefined);
          expect(there.length).toBeGreaterThan(0);
          possible.set(name, there);
        } else {
          expect(ENDS).toContain(code);
          possible.set(name, [...before, bytes]);
        }
      }
    } else if (kind < 0.55) {
      try {
        await store.delete([name]);
        possible.set(name, [undefined]);
      } catch (thrown) {
        expect(ENDS).toContain(toSteleError(thrown).code);
        possible.set(name, [...before, undefined]);
      }
    } else {
      try {
        const found = await readObject(store, name, 1_000_000);
        const same = before.filter((one) => one?.equals(found) === true);
        expect(same.length, `${name} in operation ${operation} of seed ${seed}`).toBeGreaterThan(0);
        possible.set(name, same);
      } catch (thrown) {
        const { code } = toSteleError(thrown);
        if (code === 'NOT_FOUND') expect(before).toContain(undefined);
        else expect(ENDS).toContain(code);
      }
    }
  }
  s3.fault = () => undefined;
  for (const [name, candidates] of possible) {
    const there = (await store.stat(name)) !== undefined;
    const found = there ? await readObject(store, name, 1_000_000) : undefined;
    const fits = candidates.some((one) =>
      one === undefined ? found === undefined : found?.equals(one),
    );
    expect(fits, `${name} at the end of seed ${seed}`).toBe(true);
  }
});
