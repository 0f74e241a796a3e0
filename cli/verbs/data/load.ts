// `stele load`: loads files as a new version of a keyspace, previews such a load, and manages what
// interrupted loads have left.
//
// Ctrl-C, SIGTERM and SIGHUP stop the load cleanly; nothing of it is visible, and the same command
// resumes it.

import { joinSettings, option, settingsOf } from '../../../base/config.ts';
import type { SettingsValues } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { SHARD_COUNT_MAX } from '../../../base/limits.ts';
import type { DryRunReport } from '../../../loader/dry-run.ts';
import type { TransferHooks } from '../../../loader/transfer/open-transfer.ts';
import type { JobHooks } from '../../../loader/stages/load-job.ts';
import { loadSettings } from '../../../loader/settings.ts';
import type { LoadSettings } from '../../../loader/settings.ts';
import { EXIT_FAILED, EXIT_GATE, EXIT_OK } from '../../exit.ts';
import { dryRunJson, sampleJson, writeDryRun, writeSample } from '../../load/load-preview.ts';
import { printJson } from '../../json-output.ts';
import { formatSummary, summaryJson } from '../../load/load-summary.ts';
import { askTarget } from '../../load/load-target.ts';
import { loadJson } from '../../../proto/json-shapes.ts';
import { writeCleared, writeWork } from '../../load/load-work.ts';
import type { Output } from '../../output.ts';
import { watchedJob } from '../../load/watched-job.ts';
import type { Ending } from '../../load/watched-job.ts';
import { commandText } from '../../words.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

const CANCEL_TIMEOUT_MS = 10_000;

const SAMPLE_MAX = 10_000;

const schema = joinSettings(
  loadSettings,
  settingsOf({
    segments: option.optionalText(
      'load the finished segments below this URL, file:///... or s3://..., in place of files',
      { placeholder: 'URL' },
    ),
    dryRun: option.flag('parse and check everything, change nothing'),
    shards: option.count(
      'with --dry-run: number of shards of the cluster; 0 asks the master, and means 128 if none answers',
      0,
      { min: 0, max: SHARD_COUNT_MAX },
    ),
    sample: option.count('show the first N records as they would be stored; load nothing', 0, {
      min: 0,
      max: SAMPLE_MAX,
    }),
    listWork: option.flag('list what interrupted loads have left in the work folder'),
    clearWork: option.optionalText('delete what an interrupted load has left', {
      placeholder: 'ID|all',
    }),
    cancel: option.optionalText('stop this running load instead; `stele loads` lists them', {
      placeholder: 'LOAD',
    }),
    output: option.choice('a summary for people, or JSON', ['table', 'json'], 'table'),
  }),
);

type Values = SettingsValues<typeof schema>;

export const definition = defineVerb({
  name: 'load',
  operands: '[keyspace] [path...]',
  schema,
  examples: [
    'stele load example data/example.data',
    'stele load prices prices.csv.gz --key sku --value price',
    "stele load events 'exports/*.jsonl' --key id -o json",
    'stele load prices https://data.example.com/prices.parquet --key sku --value price',
    'generate | stele load numbers - --format tsv',
    'stele load prices prices.csv --expect-rows 1000000+-2% --require-key sku-1',
    'stele load prices prices.csv --dry-run --sample 5',
    'stele load prices --segments s3://builds/prices/today',
    'stele load --list-work',
    'stele load --cancel 5f1c9b0e6a7d2c34',
  ],
  async run({ operands, settings: { sources, values }, global, output }) {
    if (values.cancel !== undefined) return cancelLoad(values.cancel, values, output);
    if (values.listWork || values.clearWork !== undefined) return await tidyWork(values, output);
    const [keyspace, ...paths] = operands;
    if (values.segments !== undefined) {
      if (keyspace === undefined || paths.length > 0) {
        const text = `Name one keyspace with --segments URL, and no files: stele load KEYSPACE --segments URL.`;
        throw new SteleError('INVALID_ARGUMENT', text);
      }
      const { refuseRowFlags, showLoad } = await import('../../load/load-segments.ts');
      const { runSegmentsLoad } = await import('../../../loader/stored/run-stored.ts');
      refuseRowFlags(sources);
      const { output: form, segments: url } = values;
      const settings = { ...values, keyspace: keyspaceName(keyspace) };
      const load = (hooks: TransferHooks) => runSegmentsLoad(url, settings, hooks);
      return showLoad(output, global, form === 'json', load);
    }
    if (keyspace === undefined || paths.length === 0) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        'Name a keyspace and at least one file, folder, glob or URL, or - for standard input.',
      );
    }
    const settings = { ...values, keyspace: keyspaceName(keyspace), paths };
    const { createLogger } = await import('../../../base/log.ts');
    const log = createLogger('load', global);
    const isPreview = values.dryRun || values.sample > 0;
    const interrupted = isPreview
      ? 'Interrupted; nothing was changed.'
      : `Interrupted; nothing of it is visible. To resume it: ${commandText(process.argv.slice(2))}`;
    return await watchedJob(output, values.output === 'json', interrupted, async (watch) => {
      const hooks = { ...watch, log };
      return isPreview
        ? await preview(settings, hooks, output)
        : await run(settings, hooks, output);
    });
  },
});

/** Cancels a load. The load itself learns of it with its next report, and ends with exit code 1. */
async function cancelLoad(loadId: string, values: Values, output: Output): Promise<number> {
  const settings = { ...values, timeout: CANCEL_TIMEOUT_MS };
  const cancelled = await withAdmin(settings, (admin) => admin.cancelLoad(loadId));
  if (values.output === 'json') printJson(output, loadJson(cancelled));
  else {
    output.line(`Load ${loadId} of '${cancelled.source}' into ${cancelled.keyspace} is cancelled.`);
  }
  return EXIT_OK;
}

async function run(
  settings: LoadSettings & Values,
  hooks: JobHooks,
  output: Output,
): Promise<Ending> {
  const { runLoad } = await import('../../../loader/load.ts');
  // As programs that start others in a trace of OpenTelemetry pass it on: TRACEPARENT, TRACESTATE.
  const partOf = (name: string): string | undefined => process.env[name.toUpperCase()];
  const summary = await runLoad(settings, { ...hooks, partOf });
  const text = settings.output === 'json' ? summaryJson(summary) : formatSummary(summary);
  return { code: EXIT_OK, write: () => output.line(text) };
}

/** A sample, a dry run, or both at once. */
async function preview(
  settings: LoadSettings & Values,
  hooks: JobHooks,
  output: Output,
): Promise<Ending> {
  const isJson = settings.output === 'json';
  if (!settings.dryRun) {
    const { runSample } = await import('../../../loader/sample.ts');
    const report = await runSample(settings, settings.sample, hooks);
    const write = (): void =>
      isJson ? output.line(sampleJson(report)) : writeSample(output, report);
    return { code: EXIT_OK, write };
  }
  const { runDryRun } = await import('../../../loader/dry-run.ts');
  const target = await askTarget(settings, settings.keyspace);
  const report = await runDryRun(settings, settings.sample, hooks, target);
  const write = (): void =>
    isJson ? output.line(dryRunJson(report)) : writeDryRun(output, report);
  return { code: codeOf(report), write };
}

/** The exit code that the load itself would have. */
function codeOf({ gateFailed, wouldLoad }: DryRunReport): number {
  if (wouldLoad) return EXIT_OK;
  return gateFailed ? EXIT_GATE : EXIT_FAILED;
}

async function tidyWork(values: Values, output: Output): Promise<number> {
  const { clearWork, listWork } = await import('../../../loader/work/work-list.ts');
  const isJson = values.output === 'json';
  // File ages need the wall clock.
  const nowMs = Date.now();
  if (values.clearWork === undefined) writeWork(output, listWork(values.workDir, nowMs), isJson);
  else writeCleared(output, clearWork(values.workDir, values.clearWork, nowMs), isJson);
  return EXIT_OK;
}
