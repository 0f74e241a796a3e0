import { expect, it } from 'vitest';
import { auditAnswer } from '../../../access/audit/audit-answer.ts';
import { Audit } from '../../../access/audit/audit.ts';
import type { Attempt, AuditSink } from '../../../access/audit/audit.ts';
import { Refusal } from '../../../access/subject.ts';
import { SteleError } from '../../../base/errors.ts';

class Lines implements AuditSink {
  readonly lines: Record<string, unknown>[] = [];
  readonly trouble = undefined;
  readonly lostTotal = 0;
  readonly reopen = undefined;

  write(line: string): void {
    expect(line.indexOf('\n')).toBe(line.length - 1);
    this.lines.push(JSON.parse(line) as Record<string, unknown>);
  }

  async close(): Promise<void> {
    this.write('{"what":"closed"}\n');
  }
}

const attempt: Attempt = { door: 'http', what: 'GET /x', from: '10.0.0.7', result: 'OK' };
const everything = { limit: 5_000, user: '', keyspace: '' };

it('writes each change at once, and repeated refusals once and as a count', async () => {
  const sink = new Lines();
  const audit = new Audit('master', sink);
  for (let at = 0; at < 3; at++) audit.note({ ...attempt, who: 'alice', about: `node-${at}` });
  for (let at = 0; at < 7; at++) audit.note({ ...attempt, result: 'UNAUTHENTICATED' });
  audit.note({ ...attempt, door: 'resp', result: 'PERMISSION_DENIED' });
  audit.note({ ...attempt, result: 'CONFLICT' });
  await audit.close();
  const counts = sink.lines.map(({ count, result, who }) => [who, result, count]);
  expect(counts).toEqual([
    ['alice', 'OK', 1],
    ['alice', 'OK', 1],
    ['alice', 'OK', 1],
    ['-', 'UNAUTHENTICATED', 1],
    ['-', 'PERMISSION_DENIED', 1],
    ['-', 'CONFLICT', 1],
    ['-', 'UNAUTHENTICATED', 6],
    [undefined, undefined, undefined],
  ]);
  expect(audit.refused).toEqual(
    new Map([
      ['http', 7],
      ['resp', 1],
    ]),
  );
});

it('notes refusals of what is thrown, with the keyspace, and no other errors', () => {
  const audit = new Audit('datanode node-0', undefined);
  audit.noteRefusal(new Refusal('no', 'prices'), attempt);
  audit.noteRefusal(new SteleError('UNAVAILABLE', 'no'), attempt);
  audit.noteRefusal(new Error('no'), attempt);
  const entries = audit.entries(everything);
  expect(entries).toMatchObject([{ keyspace: 'prices', result: 'PERMISSION_DENIED' }]);
});

it('keeps the last 1,000, newest first, by user and keyspace', () => {
  const audit = new Audit('master', undefined);
  for (let at = 0; at < 1_500; at++) {
    const who = at % 2 === 0 ? 'alice' : 'bob';
    audit.note({ ...attempt, who, keyspace: at % 3 === 0 ? 'geo' : '', about: String(at) });
  }
  const all = audit.entries(everything);
  expect([all.length, all[0]?.about, all.at(-1)?.about]).toEqual([1_000, '1499', '500']);
  const some = audit.entries({ limit: 2, user: 'alice', keyspace: 'geo' });
  expect(some.map(({ about }) => about)).toEqual(['1494', '1488']);
});

it('cuts what others may make long, and keeps a line one line', () => {
  const sink = new Lines();
  const audit = new Audit('master', sink);
  audit.note({ ...attempt, who: `a\nb${'x'.repeat(10_000)}`, what: '"'.repeat(10_000) });
  expect(JSON.stringify(sink.lines).length).toBeLessThan(1_000);
});

it('answers with JSON, and says what to do if nothing is recorded', () => {
  const audit = new Audit('master', undefined);
  audit.note({ ...attempt, requestId: 'r-1' });
  expect(auditAnswer(audit, {})).toMatchObject({
    entries: [{ process: 'master', request_id: 'r-1', keyspace: null }],
  });
  for (const limit of ['0', '1001', '-1', 'x', '1e3', ['1', '2']]) {
    expect(() => auditAnswer(audit, { limit })).toThrow(/from 1 to 1000/);
  }
  expect(() => auditAnswer(undefined, {})).toThrow(/--audit-log/);
});
