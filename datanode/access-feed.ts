/* oxlint-disable typescript/unbound-method -- the channel binds each method to its client */
// The users and roles that a datanode decides by: those on its disk at first, then those of the
// view in force, which it asks from a master. Without a master it goes on deciding by what it has.

import type { Access } from '../access/access.ts';
import { NO_USERS } from '../access/access-list.ts';
import { ListFeed } from '../access/list-feed.ts';
import { readList, saveList } from '../access/list-file.ts';
import type { BackgroundTasks } from '../base/background.ts';
import type { Logger } from '../base/log.ts';
import type { AccessList } from '../proto/gen/stele/v1/access.ts';
import { AccessServiceClient } from '../proto/gen/stele/v1/access.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import { MasterChannel } from '../transport/master-channel.ts';
import type { Datanode } from './node.ts';

const CALL_DEADLINE_MS = 2_000;

interface AccessFeedOptions {
  /** As for --master. */
  readonly masters: string;
  readonly identity: DialIdentity;
  readonly folder: string;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

/** Keeps `access` up to date until the returned function is called. */
export function followAccess(
  node: Datanode,
  access: Access,
  { background, folder, identity, log, masters }: AccessFeedOptions,
): () => void {
  const known = readList(folder, log);
  if (known !== undefined) access.update(known);
  const channel = new MasterChannel(AccessServiceClient, masters, identity);
  // One write at a time, in their order; none on the path of a read.
  let saved = Promise.resolve();
  const save = (list: AccessList): void => {
    saved = saved.then(() => saveList(folder, list, log));
    background.run('save users and roles', () => saved);
  };
  const options = { deadlineMs: CALL_DEADLINE_MS, isRepeatable: true };
  const feed = new ListFeed({
    access,
    log,
    fetch: async () => {
      const { list } = await channel.call((client) => client.getAccessList, {}, options);
      return list ?? NO_USERS;
    },
    onList: save,
  });
  node.cluster.subscribe(() => feed.want(node.cluster.view?.accessDigest));
  return () => {
    feed.close();
    channel.close();
  };
}
