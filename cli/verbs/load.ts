// `stele load`: files -> a new version of a keyspace.
//
// Ctrl-C stops the load in order; nothing of it is visible, and the same command resumes it.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName } from '../../base/ids.ts';
import { loadSettings } from '../../loader/settings.ts';
import { outputOption } from '../client-settings.ts';
import { EXIT_OK, exitCodeOfSignal } from '../exit.ts';
import type { InterruptSignal } from '../exit.ts';
import { formatSummary, summaryJson } from '../load-summary.ts';
import { ProgressDisplay } from '../progress.ts';
import { joinSettings, option, settingsOf } from '../../base/config.ts';
import type { Output } from '../output.ts';
import { defineVerb } from '../verb.ts';
import { withAdmin } from '../with-admin.ts';

const CANCEL_TIMEOUT_MS = 10_000;

export const load = defineVerb({
  name: 'load',
  summary: 'load files into a keyspace',
  operands: '[keyspace] [path...]',
  schema: joinSettings(
    loadSettings,
    settingsOf({
      cancel: option.optionalText('stop this running load instead; `stele loads` lists them', {
        placeholder: 'LOAD',
      }),
      output: outputOption,
    }),
  ),
  examples: [
    'stele load example data/example.data',
    'stele load prices prices.csv.gz --key sku --value price',
    "stele load events 'exports/*.jsonl' --key id -o json",
    'generate | stele load numbers - --format tsv',
    'stele load prices prices.csv --expect-rows 1000000+-2% --require-key sku-1',
    'stele load --cancel 5f1c9b0e6a7d2c34',
  ],
  async run({ operands, settings: { values }, global, output }) {
    if (values.cancel !== undefined) {
      return cancelLoad(values.cancel, values.master, output);
    }
    const [keyspace, ...paths] = operands;
    if (keyspace === undefined || paths.length === 0) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `missing ${keyspace === undefined ? 'the keyspace and a path' : 'a path'} to load; \`stele load --help\` lists what there is.`,
      );
    }
    const settings = { ...values, keyspace: keyspaceName(keyspace), paths };
    const [{ runLoad }, { createLogger }] = await Promise.all([
      import('../../loader/load.ts'),
      import('../../base/log.ts'),
    ]);
    const display =
      values.output === 'json' ? undefined : new ProgressDisplay(output, monotonicNowMs);
    const tell = (text: string): void => {
      if (display === undefined) output.errorLine(text);
      else display.note(text);
    };
    const interrupt = watchForInterrupt();
    try {
      const summary = await runLoad(settings, {
        onProgress: (sample) => display?.update(sample),
        onNotice: (sentence) => tell(`stele: ${sentence}.`),
        log: createLogger('load', global.logLevel),
        signal: interrupt.signal,
      });
      display?.finish();
      output.line(values.output === 'json' ? summaryJson(summary) : formatSummary(summary));
      return EXIT_OK;
    } catch (thrown) {
      display?.finish();
      const signal = interrupt.received();
      if (signal === undefined) throw thrown;
      output.errorLine(
        'stele: Interrupted; nothing of it is visible. The same command takes it up where it stopped.',
      );
      return exitCodeOfSignal(signal);
    }
  },
});

/** The load itself learns of it with its next report, and ends with exit code 1. */
async function cancelLoad(loadId: string, master: string, output: Output): Promise<number> {
  const settings = { master, timeout: CANCEL_TIMEOUT_MS };
  const cancelled = await withAdmin(settings, (admin) => admin.cancelLoad(loadId));
  output.line(`Load ${loadId} of '${cancelled.source}' into ${cancelled.keyspace} is cancelled.`);
  return EXIT_OK;
}

function watchForInterrupt() {
  const controller = new AbortController();
  let received: InterruptSignal | undefined;
  const onSignal = (signal: InterruptSignal): void => {
    if (received !== undefined) process.exit(exitCodeOfSignal(signal));
    received = signal;
    controller.abort(new SteleError('CANCELLED', 'The load was interrupted.'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { signal: controller.signal, received: () => received };
}
