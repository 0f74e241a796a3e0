// `stele drop KS`: deletes a keyspace, or with --version one version of it. Asks first; where nobody
// can be asked, --yes is needed.

import { createInterface } from 'node:readline/promises';
import { option, settingsOf } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName, version } from '../../base/ids.ts';
import { clientOptions } from '../client-settings.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit.ts';
import { defineVerb } from '../verb.ts';
import { withAdmin } from '../with-admin.ts';

export const drop = defineVerb({
  name: 'drop',
  summary: 'delete a keyspace, or one version of it',
  operands: '<keyspace>',
  schema: settingsOf({
    version: option.optionalText('this version alone; not the current one', {
      placeholder: 'version',
    }),
    yes: option.flag('do not ask'),
    ...clientOptions,
  }),
  examples: ['stele drop prices', 'stele drop prices --yes', 'stele drop prices --version 3 --yes'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const number = values.version === undefined ? undefined : version(values.version);
    if (!values.yes && !(await confirm(keyspace, number))) {
      output.errorLine('stele: Nothing was deleted.');
      return EXIT_FAILED;
    }
    await withAdmin<unknown>(values, (admin) =>
      number === undefined ? admin.dropKeyspace(keyspace) : admin.dropVersion(keyspace, number),
    );
    output.line(`${nameOf(keyspace, number)} is dropped.`);
    return EXIT_OK;
  },
});

function nameOf(keyspace: string, number: number | undefined): string {
  return number === undefined ? keyspace : `Version ${number} of ${keyspace}`;
}

async function confirm(keyspace: string, number: number | undefined): Promise<boolean> {
  const what = number === undefined ? 'all its versions' : `its version ${number}`;
  if (!process.stdin.isTTY) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `Dropping ${keyspace} deletes ${what}; add --yes to do it without being asked.`,
    );
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const question = number === undefined ? `Delete ${keyspace} with` : `Delete of ${keyspace}`;
    const answer = await lines.question(`${question} ${what}? Type the name of the keyspace: `);
    return answer.trim() === keyspace;
  } finally {
    lines.close();
  }
}
