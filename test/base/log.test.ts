import { expect, it } from 'vitest';
import { namingKeyspaces } from '../../base/log.ts';
import { keepingLogger } from '../support/log-lines.ts';

it('names keyspaces in place of their uids, and keeps what it does not know', () => {
  const { lines, log } = keepingLogger();
  const names = new Map([['uid-1', 'prices']]);
  const named = namingKeyspaces(log, (uid) => names.get(uid));
  named.info({ keyspace: 'uid-1', shard: 3 }, 'one');
  named.child({ node: 'n' }).warn({ keyspace: 'uid-2' }, 'two');
  named.info({ keyspace: undefined }, 'three');
  log.info({ keyspace: 'uid-1' }, 'four');
  expect(lines).toEqual([
    { level: 30, keyspace: 'prices', shard: 3, msg: 'one' },
    { level: 40, node: 'n', keyspace: 'uid-2', msg: 'two' },
    { level: 30, msg: 'three' },
    { level: 30, keyspace: 'uid-1', msg: 'four' },
  ]);
});
