import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { lookupOne } from '../../transport/lookup-one.ts';
import { channelOf } from '../support/peers/lookups.ts';

const TARGET = { keyspaceUid: 'u', version: 1 };
const KEY = Buffer.from('key');

describe('a key asked of one datanode', () => {
  it('is answered with a value of its own', async () => {
    const lent = Buffer.from('<<value>>');
    const channel = channelOf((batch) => {
      batch.onAnswer(LookupStatus.OK, lent, 2, 7);
      lent.fill(0);
    });
    const { status, value } = await lookupOne(channel, TARGET, KEY, 5000);
    expect([status, value.toString()]).toEqual([LookupStatus.OK, 'value']);
  });

  it('fails with the reason of the channel', async () => {
    const channel = channelOf(() => {
      throw new SteleError('WRONG_NODE', 'somebody else');
    });
    await expect(lookupOne(channel, TARGET, KEY, 5000)).rejects.toMatchObject({
      code: 'WRONG_NODE',
    });
  });

  it('fails at its deadline where nobody answers', async () => {
    const channel = channelOf(() => undefined);
    await expect(lookupOne(channel, TARGET, KEY, 20)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
  });
});
