// `stele tier KS memory|disk`: where the datanodes keep the records of a keyspace.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shorten } from '../../../base/ids.ts';
import { formatBytes } from '../../../base/units.ts';
import type { SetTierResponse } from '../../../proto/gen/stele/v1/cluster.ts';
import { setTierJson } from '../../../proto/json-shapes.ts';
import { TIER_WORDS, tierWord } from '../../../proto/view-words.ts';
import type { TierWord } from '../../../proto/view-words.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { tierLeft } from '../../listings/keyspaces.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { waitFor } from '../../wait-for.ts';
import { withAdmin } from '../../with-admin.ts';
import type { Admin } from '../../with-admin.ts';
import { counted } from '../../words.ts';

const WAIT_MS_MAX = 24 * 3_600_000;

export const definition = defineVerb({
  name: 'tier',
  operands: '<keyspace> <memory|disk>',
  schema: settingsOf({
    wait: option.optionalDuration(
      'return when all datanodes that serve have moved it; exit code 4 if they have not in this time',
      { min: 1, max: WAIT_MS_MAX },
      { bareValue: '1h' },
    ),
    ...resultOptions,
  }),
  examples: ['stele tier prices disk', 'stele tier prices memory --wait=10m'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const tier = tierOf(operands[1] ?? '');
    const done = await withAdmin(values, async (admin) => {
      const answer = await admin.setTier(keyspace, tier);
      if (values.wait !== undefined) {
        const report = (line: string): void => output.errorLine(line);
        await untilMoved(admin, keyspace, tier, { deadlineMs: values.wait, report });
      }
      return answer;
    });
    const text = values.wait === undefined ? begunText : movedText;
    const json = { keyspace, ...setTierJson(done) };
    await printResult(output, values.output, json, () => text(keyspace, done));
    return EXIT_OK;
  },
});

function tierOf(text: string): TierWord {
  const word = TIER_WORDS.find((one) => one === text);
  if (word !== undefined) return word;
  const wanted = TIER_WORDS.map((one) => `'${one}'`).join(' or ');
  throw new SteleError('INVALID_ARGUMENT', `'${shorten(text)}' is not ${wanted}.`);
}

const PLACES: Readonly<Record<TierWord, string>> = { memory: 'in memory', disk: 'on disk' };

function untilMoved(
  admin: Admin,
  name: string,
  tier: TierWord,
  limits: { readonly deadlineMs: number; readonly report: (line: string) => void },
): Promise<void> {
  const otherwise = 'The datanodes go on; see `stele keyspaces -o wide`.';
  return waitFor({ ...limits, otherwise }, async () => {
    const { keyspaces, noLeader } = await admin.listKeyspaces();
    if (noLeader !== undefined) return `a master to lead: ${noLeader.reason}`;
    const found = keyspaces.find((one) => one.name === name);
    if (found === undefined) {
      throw new SteleError('KEYSPACE_NOT_FOUND', `Keyspace '${name}' was dropped in the meantime.`);
    }
    if (tierWord(found.tier) !== tier) {
      const message = `The tier of '${name}' was changed to ${tierWord(found.tier)} in the meantime.`;
      throw new SteleError('CONFLICT', message);
    }
    if (found.moving === undefined) return undefined;
    return `${name} to be ${PLACES[tier]}: ${tierLeft(found.moving)}`;
  });
}

function begunText(name: string, { bytes, changed, segments, tier }: SetTierResponse): string {
  const place = PLACES[tierWord(tier)];
  if (!changed) return `The records of ${name} are to be ${place} already: nothing is changed.`;
  const what =
    segments === 0
      ? 'there is nothing to move now'
      : `${counted(segments, 'segment')} (${formatBytes(bytes)} a copy) are moved in the background, and reads go on`;
  return `The records of ${name} are to be ${place}: ${what}.`;
}

function movedText(name: string, { tier }: SetTierResponse): string {
  return `The records of ${name} are ${PLACES[tierWord(tier)]}, on all datanodes that serve.`;
}
