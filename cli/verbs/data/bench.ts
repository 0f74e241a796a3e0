// `stele bench`: reads keys from a cluster, or from any Redis, and reports throughput and latency.

import { monotonicNowMs } from '../../../base/clock.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { userOptions } from '../../../transport/client-identity.ts';
import { tlsOptions } from '../../../transport/tls/tls-settings.ts';
import { masterOption, outputOption } from '../../client-settings.ts';
import { EXIT_FAILED, EXIT_OK } from '../../exit.ts';
import { untilInterrupted } from '../../interruption.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';

const CONNECTIONS_MAX = 10_000;
const PIPELINE_MAX = 10_000;
const RATE_MAX = 10_000_000;

export const definition = defineVerb({
  name: 'bench',
  operands: '[keyspace]',
  schema: settingsOf({
    redis: option.addresses(
      'where the Redis protocol is spoken: a master, a query node, a datanode, or any Redis',
      '127.0.0.1:7379',
      { placeholder: 'host:port' },
    ),
    http: option.text('read over HTTP instead, from this HOST:PORT', '', {
      placeholder: 'host:port',
    }),
    library: option.flag('read with the client library instead, which asks --master'),
    keysFrom: option.text('`scan`, or a file with one key a line', 'scan', { placeholder: 'file' }),
    keysMax: option.count('keys that are read at random', 100_000, { min: 1, max: 10_000_000 }),
    rate: option.count(
      'reads a second, whatever the answers do (open loop); 0: the next read after each answer (closed loop)',
      0,
      { min: 0, max: RATE_MAX },
    ),
    connections: option.count('connections', 50, { min: 1, max: CONNECTIONS_MAX }),
    pipeline: option.count('reads in flight on each connection', 1, { min: 1, max: PIPELINE_MAX }),
    duration: option.duration('how long to count', '10s', { min: 100, max: 24 * 3_600_000 }),
    warmUp: option.duration('how long to read before that, without counting', '1s', {
      min: 0,
      max: 3_600_000,
    }),
    master: masterOption,
    timeout: option.duration('how long a read may take', '5s', { min: 10, max: 600_000 }),
    ...tlsOptions,
    ...userOptions,
    output: outputOption,
  }),
  examples: [
    'stele bench prices',
    'stele bench prices --rate 20000 --duration 60s',
    'stele bench prices --pipeline 16 --connections 8 -o json',
    'stele bench --redis 127.0.0.1:6379',
    'stele bench prices --http 127.0.0.1:9000 --keys-from keys.txt',
    'stele bench prices --library --master 10.0.0.5:8400',
  ],
  async run({ operands: [keyspace], settings: { values }, output }) {
    const { connections, output: form, pipeline, rate } = values;
    if (values.redis.includes(',')) {
      throw new SteleError('INVALID_ARGUMENT', '--redis takes one address.');
    }
    if (values.http !== '' && pipeline > 1) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        'HTTP has one read in flight on each connection; leave --pipeline out.',
      );
    }
    const [{ openTarget }, { LoadRun }, { formatBench, reportOf }, { isAddress }] =
      await Promise.all([
        import('../../bench/open-target.ts'),
        import('../../bench/load-run.ts'),
        import('../../bench/report.ts'),
        import('../../../base/address.ts'),
      ]);
    if (values.http !== '' && !isAddress(values.http)) {
      throw new SteleError('INVALID_ARGUMENT', `--http: '${values.http}' is not HOST:PORT.`);
    }
    return untilInterrupted(async (signal) => {
      const { keyCount, target } = await openTarget({ ...values, keyspace });
      try {
        const before = performance.eventLoopUtilization();
        const run = new LoadRun({
          target,
          keyCount,
          rate,
          signal,
          nowMs: monotonicNowMs,
          random: Math.random,
          slots: connections * pipeline,
          warmUpMs: values.warmUp,
          durationMs: values.duration,
        });
        const result = await run.run();
        const report = reportOf(result, {
          target: target.name,
          keyspace: keyspace ?? null,
          keys: keyCount,
          connections,
          pipeline,
          rate: rate === 0 ? null : rate,
          busy: performance.eventLoopUtilization(before).utilization,
        });
        await printResult(output, form, report, () => formatBench(report));
        return result.errors.size === 0 && result.unsent === 0 ? EXIT_OK : EXIT_FAILED;
      } finally {
        await target.close();
      }
    });
  },
});
