// `stele follow URL KS...`: takes each new version of keyspaces from the deep store of another
// cluster, until it is stopped.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { storeOptions } from '../../../archive/store-settings.ts';
import { commitOptions } from '../../../loader/settings.ts';
import type { FollowState } from '../../../loader/follow/follow.ts';
import { userOptions } from '../../../transport/client-identity.ts';
import { tlsOptions } from '../../../transport/tls/tls-settings.ts';
import { masterOption } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { untilInterrupted } from '../../interruption.ts';
import { printJson } from '../../json-output.ts';
import { defineVerb } from '../../verb.ts';

const DAY_MS = 86_400_000;

export const definition = defineVerb({
  name: 'follow',
  operands: '<url> <keyspace...>',
  stdoutIsLog: true,
  schema: settingsOf({
    master: masterOption,
    poll: option.duration('how often to look for new versions', '10s', { min: 1000, max: DAY_MS }),
    once: option.flag('look once, take what is new, and end'),
    pin: option.list(
      'the only version of a keyspace that is wanted, by its number there; may be given again',
      { placeholder: 'KS=N' },
    ),
    metricsFile: option.optionalText('file that gets metrics in the text format of Prometheus', {
      placeholder: 'FILE',
    }),
    ...commitOptions,
    workDir: option.text('folder for rows, where the segments cannot be used as they are', '', {
      placeholder: 'DIR',
      defaultText: '.stele/loads',
    }),
    ...storeOptions,
    ...tlsOptions,
    ...userOptions,
    output: option.choice('lines for people, or JSON', ['table', 'json'], 'table'),
  }),
  examples: [
    'stele follow s3://my-bucket/stele/prod prices geo',
    'stele follow s3://my-bucket/stele/prod prices --max-shrink 10% --metrics-file /run/stele.prom',
    'stele follow s3://my-bucket/stele/prod prices --pin prices=41',
    'stele follow file:///mnt/archive/stele prices --once -o json',
  ],
  async run({ operands, settings: { values }, global, output }) {
    const [url = '', ...keyspaces] = operands;
    const pins = new Map(values.pin.map(pinOf));
    const { createLogger } = await import('../../../base/log.ts');
    const { writeFileDurable } = await import('../../../base/disk/durable-file.ts');
    const { follow } = await import('../../../loader/follow/follow.ts');
    const report = await import('../../follow/follow-report.ts');
    const log = createLogger('follow', global);
    const last = new Map<string, FollowState>();
    let code: number = EXIT_OK;
    const onLook = async (states: readonly FollowState[]): Promise<void> => {
      for (const state of states) {
        if (report.hasChanged(last.get(state.keyspace), state)) {
          if (values.output === 'json') printJson(output, state);
          else output.line(report.followText(state));
        }
        last.set(state.keyspace, state);
      }
      if (values.once) code = report.exitCodeOf(states);
      const { metricsFile } = values;
      if (metricsFile === undefined) return;
      const text = report.followMetrics(states, Math.floor(Date.now() / 1000));
      try {
        await writeFileDurable(metricsFile, [Buffer.from(text)]);
      } catch (thrown) {
        // Versions are followed all the same.
        log.error({ err: toSteleError(thrown).message }, `${metricsFile} cannot be written`);
      }
    };
    return untilInterrupted(async (signal) => {
      await follow(url, { ...values, keyspaces, pins }, { log, signal }, onLook);
      return code;
    });
  },
});

function pinOf(text: string): readonly [string, number] {
  const [, keyspace, number] = /^(.+)=([1-9][0-9]{0,14})$/.exec(text) ?? [];
  if (keyspace !== undefined) return [keyspace, Number(number)];
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--pin: '${shorten(text)}' is not a keyspace and a version; write it like prices=41.`,
  );
}
