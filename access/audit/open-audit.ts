// The audit log that the settings of a role name.

import { LogSink } from '../../base/log-sink.ts';
import type { Logger } from '../../base/log.ts';
import { wallClockIso } from '../../base/clock.ts';
import { auditJson } from '../../proto/json-shapes.ts';
import { Audit, NOBODY } from './audit.ts';
import type { AuditSink } from './audit.ts';
import { AuditFile } from './audit-file.ts';

const STDERR = 2;
const NAMES_OF_STDERR: ReadonlySet<string> = new Set(['stderr', '-']);

/** Whether this value of --audit-log means no file. */
export function isStderr(auditLog: string): boolean {
  return NAMES_OF_STDERR.has(auditLog);
}

/**
 * The audit log of the process `name`; undefined without users and without --audit-log. Throws
 * INVALID_ARGUMENT for a file that cannot be written.
 */
export function openAudit(
  { auditLog, auth }: { readonly auditLog: string; readonly auth: 'on' | 'off' },
  name: string,
  log: Logger,
): Audit | undefined {
  if (auditLog === '') return auth === 'on' ? new Audit(name, undefined) : undefined;
  const lostLine = (count: number): string => lineOfLost(name, count);
  return new Audit(
    name,
    isStderr(auditLog) ? stderrSink(lostLine) : new AuditFile(auditLog, { log, lostLine }),
  );
}

/** Lost lines count as those of the log that also goes there. */
function stderrSink(lostLine: (count: number) => string): AuditSink {
  const sink = new LogSink(STDERR, { lostLine });
  return {
    write: (line) => sink.write(line),
    trouble: undefined,
    lostTotal: 0,
    reopen: undefined,
    close: async () => undefined,
  };
}

function lineOfLost(name: string, count: number): string {
  const entry = {
    time: wallClockIso(),
    process: name,
    who: NOBODY,
    from: NOBODY,
    door: NOBODY,
    what: 'lines of this log were lost',
    keyspace: '',
    about: '',
    result: 'IO',
    count,
    requestId: '',
  };
  return `${JSON.stringify(auditJson(entry))}\n`;
}
