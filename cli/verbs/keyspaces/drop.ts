// `stele drop KS`: deletes a keyspace, or with --version one version of it. Asks first; without a
// terminal, --yes is required.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, version } from '../../../base/ids.ts';
import { ask } from '../../ask.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'drop',
  operands: '<keyspace>',
  schema: settingsOf({
    version: option.optionalText('only this version, which must not be current', {
      placeholder: 'version',
    }),
    yes: option.flag('do not ask'),
    ...resultOptions,
  }),
  examples: ['stele drop prices', 'stele drop prices --yes', 'stele drop prices --version 3 --yes'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const number = values.version === undefined ? undefined : version(values.version);
    if (!values.yes) await confirm(keyspace, number);
    await withAdmin<unknown>(values, (admin) =>
      number === undefined ? admin.dropKeyspace(keyspace) : admin.dropVersion(keyspace, number),
    );
    const ofVersion = number === undefined ? {} : { version: number };
    const text = `${nameOf(keyspace, number)} is dropped.`;
    const done = { keyspace, ...ofVersion, dropped: true };
    await printResult(output, values.output, done, () => text);
    return EXIT_OK;
  },
});

function nameOf(keyspace: string, number: number | undefined): string {
  return number === undefined ? keyspace : `Version ${number} of ${keyspace}`;
}

const NOTHING_DELETED = 'Nothing was deleted.';

/** Throws unless the person at the terminal types the keyspace's name. */
async function confirm(keyspace: string, number: number | undefined): Promise<void> {
  const what = number === undefined ? 'all its versions' : `its version ${number}`;
  if (!process.stdin.isTTY) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `Dropping ${keyspace} deletes ${what}; add --yes to do it without being asked.`,
    );
  }
  const question = number === undefined ? `Delete ${keyspace} with` : `Delete of ${keyspace}`;
  const answer = await ask(`${question} ${what}? Type the name of the keyspace: `, NOTHING_DELETED);
  if (answer !== keyspace) throw new SteleError('CONFLICT', NOTHING_DELETED);
}
