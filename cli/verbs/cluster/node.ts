// `stele node drain|resume|remove ID`: takes a datanode out of the cluster, or back in; `stele node
// restart ID` and `stele node restart-all`: restart one datanode, or all in turn.

import { SteleError } from '../../../base/errors.ts';
import { nodeId, shorten } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK, reportNotice } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { counted } from '../../words.ts';

const DONE = {
  drain: 'is draining: it serves on until its replicas are copied; `stele nodes` shows when.',
  resume: 'takes data again.',
  remove: 'is removed from the cluster.',
  restart: 'is restarting; `stele nodes` shows when it serves again.',
} as const;

type Action = keyof typeof DONE;

const ACTIONS = Object.keys(DONE) as Action[];

export const definition = defineVerb({
  name: 'node',
  operands: '<action> [id]',
  actions: [...ACTIONS, 'restart-all'],
  schema: settingsOf({
    force: option.flag(
      'remove: even if it may have the only copies; restart-all: even with only one copy',
    ),
    deadline: option.duration('restart-all: how long one datanode may take to come back', '10m', {
      min: 1_000,
      max: 7 * 24 * 3_600_000,
    }),
    after: option.text('restart-all: continue after this datanode, after an interruption', '', {
      placeholder: 'ID',
    }),
    ...resultOptions,
  }),
  examples: [
    'stele node drain node-2',
    'stele node resume node-2',
    'stele node remove node-2',
    'stele node restart-all',
    'stele node restart-all --after node-1',
  ],
  async run({ operands, settings: { values }, output }) {
    const [word = '', name] = operands;
    if (word === 'restart-all') {
      if (name !== undefined) throw usage(`restart-all takes no name, and not '${shorten(name)}'.`);
      const { restartAll } = await import('../../restart-all.ts');
      // For programs, stdout only has the result.
      const form = values.output;
      const report = (line: string): void =>
        form === 'table' ? output.line(line) : reportNotice(output, `${line}.`, form === 'json');
      const { after, deadline: deadlineMs, force } = values;
      const count = await withAdmin(values, (admin) =>
        restartAll(admin, { after, deadlineMs, force, report }),
      );
      const text = `${counted(count, 'datanode')} restarted, all green.`;
      await printResult(output, form, { restarted: count }, () => text);
      return EXIT_OK;
    }
    const action = actionOf(word);
    const id = nodeId(name ?? '');
    if (values.force && action !== 'remove') {
      throw usage(`--force goes with remove and restart-all, not with ${action}.`);
    }
    if (values.after !== '') throw usage(`--after goes with restart-all, not with ${action}.`);
    await withAdmin(values, async (admin) => {
      if (action === 'drain') await admin.drainNode(id);
      else if (action === 'resume') await admin.resumeNode(id);
      else if (action === 'restart') await admin.restartNode(id);
      else await admin.removeNode(id, values.force);
    });
    await printResult(output, values.output, { id, action }, () => `${id} ${DONE[action]}`);
    return EXIT_OK;
  },
});

function actionOf(text: string): Action {
  const action = ACTIONS.find((known) => known === text);
  if (action !== undefined) return action;
  throw usage(
    `'${shorten(text)}' is not an action on a node${didYouMean(text, [...ACTIONS, 'restart-all'])}; use drain, resume, remove, restart or restart-all.`,
  );
}

function usage(sentence: string): SteleError {
  return new SteleError('INVALID_ARGUMENT', sentence);
}
