// The course of `stele up`, from the first process to the last (see verbs/processes/up.ts).

import { fileURLToPath } from 'node:url';
import { SteleError } from '../../base/errors.ts';
import type { FolderLock } from '../../base/disk/folder-lock.ts';
import { createLogger } from '../../base/log.ts';
import type { Logger } from '../../base/log.ts';
import { connectAdmin } from '../../client/admin.ts';
import type { TlsSource } from '../../transport/tls/tls-files.ts';
import { EXIT_OK, exitCodeOfSignal, INTERRUPT_SIGNALS } from '../exit.ts';
import type { InterruptSignal } from '../exit.ts';
import type { Output } from '../output.ts';
import type { GlobalSettings } from '../verb.ts';
import { announcer, hints } from './announcements.ts';
import { awaitReady } from './await-ready.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { StartedParts } from './cluster-processes.ts';
import { hasEtcd } from './etcd-plan.ts';
import { openUpFolder } from './folder.ts';
import type { ClearRequest } from './folder.ts';
import { InProcessCluster } from './in-process.ts';
import { addressesOf, checkLoadPaths, checkPlan, parseLoad } from './plan.ts';
import type { ClusterPlan } from './plan.ts';

export interface UpOptions {
  readonly plan: ClusterPlan;
  /** A list of `KEYSPACE=PATH`. */
  readonly loads: readonly string[];
  readonly inProcess: boolean;
  readonly restart: boolean;
  readonly clear: ClearRequest;
  readonly global: GlobalSettings;
  readonly output: Output;
  /** Undefined: without TLS. */
  readonly tls: TlsSource | undefined;
  /** Words for the command lines of the master and the datanodes. */
  readonly masterWords: readonly string[];
  readonly datanodeWords: readonly string[];
}

/** What runs, in other processes or in this one. */
interface RunningParts {
  start(): Promise<StartedParts>;
  /** May be called at any time and repeatedly; resolves when nothing runs any more. */
  stop(): Promise<void>;
  /** At once, without grace. */
  kill(): void;
}

/**
 * Runs until a signal comes; returns the exit code once everything is stopped. Throws SteleError, leaving
 * no process running.
 */
export async function runUp(options: UpOptions): Promise<number> {
  const loads = options.loads.map(parseLoad);
  checkPlan(options.plan);
  requireUseOfEtcd(options.plan);
  checkLoadPaths(loads);
  const log = createLogger('up', options.global);
  const parts = partsOf(options, log);
  const stop = watchForStop(parts);
  const report = (text: string): void => options.output.errorLine(`stele: ${text}`);
  let lock: FolderLock | undefined;
  try {
    lock = await openUpFolder(options.plan.dataDir, options.clear, report, stop.signal);
    const starting = parts.start();
    // Loaded while the processes start.
    const loader = loads.length > 0 ? import('./load-samples.ts') : undefined;
    const started = await starting;
    await becomeReady(options, started, report, stop.signal);
    const { masters } = started;
    const context = {
      master: addressesOf(masters),
      dataDir: options.plan.dataDir,
      log,
      signal: stop.signal,
      tls: options.tls,
    };
    for (const load of loads) {
      const loaded = await (await loader)?.loadSample(load, context);
      if (loaded?.isRejected === true) options.output.errorLine(`stele: ${loaded.line}`);
      else if (loaded !== undefined) options.output.line(loaded.line);
    }
    if (options.output.isTerminal)
      options.output.line(hints(masters, loads[0]?.keyspace, options.tls).join('\n'));
    options.output.line('ready');
    await stop.asked;
    return stop.received() === 'SIGHUP' ? exitCodeOfSignal('SIGHUP') : EXIT_OK;
  } catch (thrown) {
    // An error caused by the signal is not reported.
    const signal = stop.received();
    if (signal === undefined) throw thrown;
    options.output.errorLine('stele: Stopped before the cluster was ready.');
    return exitCodeOfSignal(signal);
  } finally {
    await parts.stop();
    lock?.release();
  }
}

function partsOf(options: UpOptions, log: Logger): RunningParts {
  const events = announcer(options.output);
  if (options.inProcess) {
    requireOneMaster(options.plan);
    return new InProcessCluster(options.plan, options.tls, events, log);
  }
  const { configPath, logLevel, logFormat } = options.global;
  const commands = {
    script: fileURLToPath(new URL('../main.js', import.meta.url)),
    everyRole: [
      '--log-level',
      logLevel,
      '--log-format',
      logFormat,
      ...(configPath === undefined ? [] : ['--config', configPath]),
    ],
    master: options.masterWords,
    datanode: options.datanodeWords,
    restart: options.restart,
  };
  return new ClusterProcesses(options.plan, commands, events);
}

function requireUseOfEtcd({ dataDir, etcdNodes, masters }: ClusterPlan): void {
  if (etcdNodes === 0 || masters > 1 || hasEtcd(dataDir)) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    '--etcd-nodes has an effect only with several masters; add --masters, or leave it out.',
  );
}

function requireOneMaster({ masters }: ClusterPlan): void {
  if (masters === 1) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    '--in-process runs one master; leave out --masters, or --in-process.',
  );
}

async function becomeReady(
  options: UpOptions,
  { datanodes, masters }: StartedParts,
  report: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const admin = connectAdmin(addressesOf(masters), { deadlineMs: 5000, tls: options.tls });
  try {
    const expected = { datanodes, ofAll: options.plan.datanodes };
    await awaitReady(admin, expected, report, signal);
  } finally {
    admin.close();
  }
}

interface StopRequest {
  readonly signal: AbortSignal;
  /** Resolves when a signal has come. */
  readonly asked: Promise<void>;
  readonly received: () => InterruptSignal | undefined;
}

function watchForStop(parts: RunningParts): StopRequest {
  const stopping = new AbortController();
  let received: InterruptSignal | undefined;
  const asked = new Promise<void>((resolve) => {
    const onSignal = (signal: InterruptSignal): void => {
      if (received !== undefined) {
        parts.kill();
        process.exit(exitCodeOfSignal(signal));
      }
      received = signal;
      stopping.abort(new SteleError('CANCELLED', 'The cluster is being stopped.'));
      void parts.stop();
      resolve();
    };
    for (const signal of INTERRUPT_SIGNALS) process.on(signal, onSignal);
  });
  return { signal: stopping.signal, asked, received: () => received };
}
