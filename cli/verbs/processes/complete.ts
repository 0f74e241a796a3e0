// `stele __complete LINE`, for the scripts of `stele completion`: what may follow the line, one
// candidate a line with its description after a tab. It never fails.

import { settingsOf } from '../../../base/config.ts';
import { candidatesFor } from '../../completion/candidates.ts';
import { askNames } from '../../completion/names.ts';
import { EXIT_OK } from '../../exit.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: '__complete',
  operands: '[line]',
  passThrough: true,
  schema: settingsOf({}),
  examples: ["stele __complete 'stele versions '"],
  async run({ operands: [line = ''], global, output }) {
    const { files, words } = await candidatesFor(line, global.verbs, (kind, verb, parsed) =>
      askNames(kind, verb, parsed, global.environment),
    );
    for (const { description, word } of words) output.line(`${word}\t${oneLine(description)}`);
    if (files) output.line(':files');
    return EXIT_OK;
  },
});

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
