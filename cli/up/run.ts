// The course of `stele up`, from the first process to the last (see verbs/processes/up.ts).

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isStderr } from '../../access/audit/open-audit.ts';
import { SteleError } from '../../base/errors.ts';
import type { FolderLock } from '../../base/disk/folder-lock.ts';
import { createLogger } from '../../base/log.ts';
import type { Logger } from '../../base/log.ts';
import { AdminClient } from '../../client/admin.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import type { TlsSource } from '../../transport/tls/tls-files.ts';
import { EXIT_OK, exitCodeOfSignal, INTERRUPT_SIGNALS, sentenceOf } from '../exit.ts';
import type { InterruptSignal } from '../exit.ts';
import { isTerminalGone } from '../hang-up.ts';
import type { Output } from '../output.ts';
import type { GlobalSettings } from '../verb.ts';
import { announcer, hints, securedSteps } from './announcements.ts';
import { awaitReady } from './await-ready.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { StartedParts } from './cluster-processes.ts';
import { hasEtcd } from './etcd-plan.ts';
import { awaitAdmin } from './first-admin.ts';
import { hasRunBefore, openUpFolder } from './folder.ts';
import type { ClearRequest } from './folder.ts';
import { InProcessCluster } from './in-process.ts';
import { addressesOf, checkLoadPaths, checkPlan, parseLoad } from './plan.ts';
import type { ClusterPlan, EtcdFiles } from './plan.ts';
import { identityOf, makeSecurity } from './security.ts';
import type { UpSecurity } from './security.ts';

const DAY_MS = 86_400_000;
const HEALTH_DEADLINE_MS = 5_000;

export interface UpOptions {
  readonly plan: ClusterPlan;
  /** A list of `KEYSPACE=PATH`. */
  readonly loads: readonly string[];
  readonly inProcess: boolean;
  readonly restart: boolean;
  readonly clear: ClearRequest;
  readonly global: GlobalSettings;
  readonly output: Output;
  readonly security: UpSecurity;
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
  /** Opens the files of logs again. */
  reopenLogs(): void;
}

/**
 * Runs until a signal comes; returns the exit code once everything is stopped. Throws SteleError,
 * leaving no process running.
 */
export async function runUp(options: UpOptions): Promise<number> {
  const loads = options.loads.map(parseLoad);
  checkPlan(options.plan);
  requireUseOfEtcd(options.plan);
  checkLoadPaths(loads);
  const log = createLogger('up', options.global);
  const { output, plan, security } = options;
  const parts = partsOf(options, log);
  const stop = watchForStop(parts, hasLogFile(security));
  const report = (text: string): void => options.output.errorLine(`stele: ${text}`);
  const certificates = new AbortController();
  let lock: FolderLock | undefined;
  try {
    lock = await openUpFolder(plan.dataDir, options.clear, report, stop.signal);
    await makeSecurity(security, report);
    keepCertificates(security, report, certificates.signal);
    const { adminPasswordFile } = security;
    const isFirst = !hasRunBefore(plan.dataDir) || !existsSync(adminPasswordFile ?? '');
    const starting = parts.start();
    // Loaded while the processes start.
    const loader = loads.length > 0 ? import('./load-samples.ts') : undefined;
    const started = await starting;
    const { masters } = started;
    const identity = identityOf(security, log);
    await becomeReady(options, started, identity, report, stop.signal);
    if (isFirst && adminPasswordFile !== undefined)
      await awaitAdmin(addressesOf(masters), identity, adminPasswordFile, stop.signal);
    const context = {
      master: addressesOf(masters),
      dataDir: plan.dataDir,
      log,
      signal: stop.signal,
      tls: security.tls,
      authorization: identity.authorization,
    };
    for (const load of loads) {
      const loaded = await (await loader)?.loadSample(load, context);
      if (loaded?.isRejected === true) output.errorLine(`stele: ${loaded.line}`);
      else if (loaded !== undefined) output.line(loaded.line);
    }
    const steps = { masters, keyspace: loads[0]?.keyspace, security };
    if (output.isTerminal) output.line(hints(steps).join('\n'));
    else if (security.isSecure) output.line(securedSteps(steps).join('\n'));
    output.line('ready');
    await stop.asked;
    return stop.received() === 'SIGHUP' ? exitCodeOfSignal('SIGHUP') : EXIT_OK;
  } catch (thrown) {
    // An error caused by the signal is not reported.
    const signal = stop.received();
    if (signal === undefined) throw thrown;
    output.errorLine('stele: Stopped before the cluster was ready.');
    return exitCodeOfSignal(signal);
  } finally {
    certificates.abort();
    await parts.stop();
    lock?.release();
  }
}

/** Renews certificates while the cluster runs, too; processes look for new files by themselves. */
function keepCertificates(
  security: UpSecurity,
  report: (text: string) => void,
  signal: AbortSignal,
): void {
  const renew = (): void => {
    makeSecurity(security, report).catch((thrown: unknown) => report(sentenceOf(thrown)));
  };
  const timer = setInterval(renew, DAY_MS).unref();
  signal.addEventListener('abort', () => clearInterval(timer));
}

function hasLogFile({ access: { auditLog } }: UpSecurity): boolean {
  return auditLog !== '' && !isStderr(auditLog);
}

function partsOf(options: UpOptions, log: Logger): RunningParts {
  const { isSecure, masterWords, roleWords, tls } = options.security;
  const events = announcer(options.output, isSecure ? 'https' : 'http');
  if (options.inProcess) {
    requireOneMaster(options.plan);
    return new InProcessCluster(options.plan, options.security, events, log);
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
    master: [...options.masterWords, ...roleWords, ...masterWords],
    datanode: [...options.datanodeWords, ...roleWords],
    restart: options.restart,
    etcdTls: isSecure ? etcdFiles(tls) : undefined,
  };
  return new ClusterProcesses(options.plan, commands, events);
}

function etcdFiles({ ca = '', cert = '', key = '' }: TlsSource = {}): EtcdFiles {
  return { ca: String(ca), cert: String(cert), key: String(key) };
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
  identity: DialIdentity,
  report: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const admin = new AdminClient(addressesOf(masters), HEALTH_DEADLINE_MS, identity);
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

function watchForStop(parts: RunningParts, hasLogs: boolean): StopRequest {
  const stopping = new AbortController();
  let received: InterruptSignal | undefined;
  const asked = new Promise<void>((resolve) => {
    const onSignal = (signal: InterruptSignal): void => {
      if (signal === 'SIGHUP' && hasLogs && !isTerminalGone()) return parts.reopenLogs();
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
