// `stele drop KS`: deletes a keyspace. Asks first; where nobody can be asked, --yes is needed.

import { createInterface } from 'node:readline/promises';
import { option, settingsOf } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName } from '../../base/ids.ts';
import { clientOptions } from '../client-settings.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit.ts';
import { defineVerb } from '../verb.ts';
import { withAdmin } from '../with-admin.ts';

export const drop = defineVerb({
  name: 'drop',
  summary: 'delete a keyspace with all its versions',
  operands: '<keyspace>',
  schema: settingsOf({ yes: option.flag('do not ask'), ...clientOptions }),
  examples: ['stele drop prices', 'stele drop prices --yes'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    if (!values.yes && !(await confirm(keyspace))) {
      output.errorLine('stele: Nothing was deleted.');
      return EXIT_FAILED;
    }
    await withAdmin(values, (admin) => admin.dropKeyspace(keyspace));
    output.line(`${keyspace} is dropped.`);
    return EXIT_OK;
  },
});

async function confirm(keyspace: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `Dropping ${keyspace} deletes all its versions; add --yes to do it without being asked.`,
    );
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(
      `Delete ${keyspace} with all its versions? Type its name: `,
    );
    return answer.trim() === keyspace;
  } finally {
    lines.close();
  }
}
