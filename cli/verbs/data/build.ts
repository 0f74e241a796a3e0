// `stele build`: a part of a dataset, built without a cluster: a task reads its share of the input
// and stores its rows, a merge makes segments of the rows of all tasks. `stele commit` takes these.
//
// Ctrl-C, SIGTERM and SIGHUP end it cleanly, and the same command resumes it.

import { joinSettings, option, settingsOf } from '../../../base/config.ts';
import type { SettingsValues } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { buildSettings } from '../../../loader/builds/settings.ts';
import type { BuildSettings } from '../../../loader/builds/settings.ts';
import type { JobHooks } from '../../../loader/stages/load-job.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { watchedJob } from '../../load/watched-job.ts';
import { defineVerb } from '../../verb.ts';
import { commandText } from '../../words.ts';

const schema = joinSettings(
  buildSettings,
  settingsOf({
    output: option.choice('a summary for people, or JSON', ['table', 'json'], 'table'),
  }),
);

type Values = SettingsValues<typeof schema>;

interface Result {
  readonly summary: object;
  readonly text: string;
}

export const definition = defineVerb({
  name: 'build',
  operands: '<keyspace> [input...]',
  schema,
  examples: [
    'stele build prices prices.csv --key sku --out file:///mnt/builds/prices',
    'stele build prices s3://data/prices/*.parquet --key sku --task 3/8 --out s3://builds/prices',
    'stele build prices data.csv --key sku --task $SLURM_ARRAY_TASK_ID/8 --out file:///mnt/b',
    'parallel stele build prices data.csv --key sku --out file:///mnt/b --task {}/8 ::: {1..8}',
    'stele build prices --merge --out s3://builds/prices',
    'stele build prices --merge --task 1/4 --out s3://builds/prices',
  ],
  async run({ operands, settings: { values }, global, output }) {
    const [keyspace = '', ...paths] = operands;
    checkOperands(values, paths);
    const settings = { ...values, keyspace: keyspaceName(keyspace), paths };
    const { createLogger } = await import('../../../base/log.ts');
    const log = createLogger('build', global);
    const interrupted = `Interrupted; what was stored stays. To go on: ${commandText(process.argv.slice(2))}`;
    const isJson = values.output === 'json';
    return await watchedJob(output, isJson, interrupted, async (watch) => {
      const build = values.merge ? runMerge : runTask;
      const { summary, text } = await build(settings, { ...watch, log });
      const write = (): void => (isJson ? printJson(output, summary) : output.line(text));
      return { code: EXIT_OK, write };
    });
  },
});

function checkOperands({ merge, rejects }: Values, paths: readonly string[]): void {
  if (!merge && paths.length === 0) {
    const text =
      'Name at least one file, folder, glob or URL, or - for standard input; or --merge, when all tasks are done.';
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  if (!merge) return;
  if (paths.length > 0 || rejects !== undefined) {
    const text = '--merge reads the results of the tasks; leave out the inputs and --rejects.';
    throw new SteleError('INVALID_ARGUMENT', text);
  }
}

async function runTask(settings: BuildSettings, hooks: JobHooks): Promise<Result> {
  const build = await import('../../../loader/builds/run-task.ts');
  const { taskText } = await import('../../load/build-summary.ts');
  const summary = await build.runTask(settings, hooks);
  return { summary, text: taskText(summary) };
}

async function runMerge(settings: BuildSettings, hooks: JobHooks): Promise<Result> {
  const build = await import('../../../loader/builds/run-merge.ts');
  const { mergeText } = await import('../../load/build-summary.ts');
  const summary = await build.runMerge(settings, hooks);
  return { summary, text: mergeText(summary) };
}
