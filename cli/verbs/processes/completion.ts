// `stele completion bash|zsh|fish`: prints what a shell needs to complete verbs, flags, values and
// names.

import { settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { COMPLETION_SCRIPTS, SHELLS } from '../../completion/scripts.ts';
import { EXIT_OK } from '../../exit.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'completion',
  operands: '<shell>',
  actions: SHELLS,
  schema: settingsOf({}),
  examples: [
    'source <(stele completion bash)',
    'stele completion zsh > ~/.zfunc/_stele',
    'stele completion fish | source',
  ],
  async run({ operands: [name = ''], output }) {
    const shell = SHELLS.find((known) => known === name);
    if (shell === undefined) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `There is no completion for '${shorten(name)}'${didYouMean(name, SHELLS)}; use ${SHELLS.join(', ')}.`,
      );
    }
    output.write(COMPLETION_SCRIPTS[shell]);
    return EXIT_OK;
  },
});
