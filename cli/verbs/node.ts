// `stele node drain|resume|remove ID`: takes a datanode out of the cluster, or back in.

import { SteleError } from '../../base/errors.ts';
import { nodeId, shorten } from '../../base/ids.ts';
import { clientOptions } from '../client-settings.ts';
import { EXIT_OK } from '../exit.ts';
import { option, settingsOf } from '../../base/config.ts';
import { defineVerb } from '../verb.ts';
import { withAdmin } from '../with-admin.ts';

const DONE = {
  drain: 'is draining: it serves on until its replicas are copied; `stele nodes` shows when.',
  resume: 'takes data again.',
  remove: 'is removed from the cluster.',
} as const;

export const node = defineVerb({
  name: 'node',
  summary: 'drain, resume or remove a datanode',
  operands: '<action> <id>',
  schema: settingsOf({
    force: option.flag('remove: also where it may have the only copies of something'),
    ...clientOptions,
  }),
  examples: ['stele node drain node-2', 'stele node resume node-2', 'stele node remove node-2'],
  async run({ operands, settings: { values }, output }) {
    const action = actionOf(operands[0] ?? '');
    const id = nodeId(operands[1] ?? '');
    if (values.force && action !== 'remove') {
      throw new SteleError('INVALID_ARGUMENT', `--force goes with remove, not with ${action}.`);
    }
    await withAdmin(values, async (admin) => {
      if (action === 'drain') await admin.drainNode(id);
      else if (action === 'resume') await admin.resumeNode(id);
      else await admin.removeNode(id, values.force);
    });
    output.line(`${id} ${DONE[action]}`);
    return EXIT_OK;
  },
});

function actionOf(text: string): keyof typeof DONE {
  if (text === 'drain' || text === 'resume' || text === 'remove') return text;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is nothing a node can be told; use drain, resume or remove.`,
  );
}
