// Sends the same bytes to redis-server and to Stele, and compares the replies byte by byte, over
// RESP2 and RESP3: a plain redis-server with the master, one in cluster mode with a datanode.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { COMMANDS } from '../../../resp/commands/command-table.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { readDoc, section, tableRows } from '../../docs/markdown.ts';
import { startRedisServer } from '../../support/process/redis-server.ts';
import type { RedisServer } from '../../support/process/redis-server.ts';
import { PROJECT } from '../../support/process/stele-process.ts';
import { answersTo, answerTo, END, exchange } from '../../support/process/redis-answers.ts';
import { hasTool } from '../../support/tools.ts';
import { decodeReplies, multibulk } from '../../resp/split.ts';
import type { Reply } from '../../../resp/wire/reply-decoder.ts';

const PAIRS = [
  ['k', 'hello'],
  ['empty', ''],
  ['number', '12345'],
  ['long', 'x'.repeat(100)],
  ['{t}1', 'a'],
  ['{t}2', 'b'],
  ['{t}3', 'foobar'],
  ['{t}4', 'ofoobarz'],
] as const;

/** Values of every form in which RDB writes a length, and at its bounds. */
const LONGER = [63, 64, 16_383, 16_384, 1_000_000].map(
  (length) => [`of-${length}`, 'v'.repeat(length)] as const,
);

const QUESTIONS = `
get k|GET k|gEt none|get empty|get|get a b|mget {t}1 {t}2 {t}3|mget|exists k k|exists k k k|exists|exists {t}1
{t}2 {t}3|strlen k|strlen none|strlen empty|strlen|getrange k 0 -1|getrange k -100 -50|getrange k 1 99
getrange k 3 1|getrange k -3 -1|getrange k 5 5|getrange k 4 4|getrange k -1 -3|getrange k 0 -99|getrange k x 1
getrange k 1 x|getrange k 01 2|getrange k 0 9223372036854775807|getrange k 0 9223372036854775808
getrange none 0 1|getrange empty 0 -1|getrange k 1|getrange none x 1|type k|type none|type|ttl k|ttl none|pttl k
pttl none|ttl|ttl k x|object encoding none|object encoding long|object|object foo k|object encoding
memory usage none|memory usage|memory usage k samples|memory usage k samples -1|memory usage k samples x
memory usage k foo 1|memory|memory foo|scan x|scan|scan 0 count 0|scan 0 count -1|scan 0 count x|scan 0 foo
scan 0 match|scan 0 count 100 match nothing|scan 0 count 100 match emp*|scan 0 count 100 type hash match emp*
scan 18446744073709551616|scan 0 type|dbsize|dbsize x|randomkey x|ping|ping a|ping a b|echo a|echo|echo a b
select 0|select|select 0 0|auth x|auth a b|auth a b c|auth default x|auth|hello 4|hello x|hello 2 x|hello 2 auth
hello 2 auth a|hello 2 setname|hello 2 auth a b|client getname|client setname|client setname x y
client no-evict maybe|client no-evict on|client no-evict|client reply|client reply foo|client list type foo
client list id|client list id x|client list id 0|client list foo|client list type replica|client list type
client foo|client|client getname x|client id x|client info x|command foo|command info foo|command info foo bar
command getkeys get a|command getkeys mget a b|command getkeys object encoding a|command getkeys memory usage k
command getkeys ping x|command getkeys foo x|command getkeys getrange x|command getkeys|command getkeys get
command list filterby module x|command list filterby foo|command list filterby foo bar|command list foo
command list filterby aclcat nope|command docs foo|command count x|config get nosuch|config get save
config get|config get appendonly|config get SAV*|config foo|config|latency latest|latency reset|latency reset a b
latency foo|latency|latency latest x|time x|reset|reset x|cluster foo|cluster|cluster keyslot
cluster countkeysinslot|cluster getkeysinslot 1|cluster info x|cluster myid x|cluster slots x|cluster nodes x
cluster shards x|cluster keyslot a b|info nosuch|foo|foo a b c|foo ${'y'.repeat(200)} z|quit|quit x`;

/** One question per line, of commands separated by ` ; `; `""` is an empty argument. */
const CONVERSATIONS = readFileSync(
  join(PROJECT, 'test', 'e2e', 'redis', 'redis-questions.txt'),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => line.split(' ; ').map((command) => command.replace('""', '').split(' ')));

/** Commands that only a cluster answers. */
const CLUSTER_COMMANDS = `
readonly|readonly x|readwrite|asking|cluster keyslot k|cluster keyslot {t}1|cluster keyslot {}a|cluster keyslot a{b
cluster countkeysinslot 16384|cluster countkeysinslot -1|cluster countkeysinslot x|cluster countkeysinslot 7629
cluster countkeysinslot 1|cluster getkeysinslot 16384 1|cluster getkeysinslot 1 -1|cluster getkeysinslot 1 x
cluster getkeysinslot 7629 10|cluster getkeysinslot 7629 0|cluster getkeysinslot 1 10|mget k {t}1|exists k {t}1`;

/** Malformed input, each on its own connection until that ends. */
const MALFORMED = [
  '*-1\r\nPING\r\n',
  '*0\r\nPING\r\n',
  '\r\n\r\nPING\r\n',
  '*x\r\n',
  '*01\r\n',
  '*+1\r\n',
  '*1x\r\n',
  '*\r\n',
  '*99999999999999999999\r\n',
  '*2147483648\r\n',
  '*1\r\n+PING\r\n',
  '*1\r\nPING\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$-5\r\n',
  '*1\r\n$x\r\n',
  '*1\r\n$\r\n',
  '*1\r\n$04\r\nPING\r\n',
  '*1\r\n$99999999999\r\n',
  '*1\r\n$0\r\n\r\nPING\r\n',
  '*2\r\n$3\r\nGET\r\n$-1\r\n',
  'ECHO "a\\x41\\n"\r\n',
  "ECHO 'a\\'b'\r\n",
  'ECHO "a\r\n',
  "ECHO 'a\r\n",
  'ECHO "a"b\r\n',
  'ECHO a"b c"\r\n',
  'GET k\nPING\n',
  `*${'1'.repeat(100)}\r\n`,
];

/** Commands that redis-server 7.0 does not have: Stele's own, and those of 7.2. */
const NEWER =
  /^(stele|client.(setinfo|no-touch)|cluster.myshardid|hexpire|hpexpire|hpersist|hgetdel|hgetex|hsetex|xackdel|xdelex|httl|hpttl)/;

/** Commands that are refused entirely. */
const WITHOUT_SUBCOMMANDS = new Set(['function', 'pubsub', 'script', 'xgroup', 'xinfo']);

/** `COMMAND INFO get`, for each command and subcommand that is not a container. */
const INFOS = COMMANDS.flatMap((spec) => (spec.subcommands.length > 0 ? spec.subcommands : [spec]))
  .filter(({ name }) => !NEWER.test(name) && !WITHOUT_SUBCOMMANDS.has(name))
  .map(({ name }) => ['command', 'info', name]);

const folder = mkdtempSync(join(tmpdir(), 'stele-replies-'));
const available = hasTool('redis-server');
let cluster: TestCluster;
let plain: RedisServer;
let clustered: RedisServer;

beforeAll(async () => {
  if (!available) return;
  cluster = await TestCluster.borrow(1);
  const file = join(folder, 'pairs.data');
  writeFileSync(file, [...PAIRS, ...LONGER].map(([key, value]) => `${key} ${value}\n`).join(''));
  [plain, clustered] = await Promise.all([
    startRedisServer([...PAIRS, ...LONGER]),
    startRedisServer([...PAIRS, ...LONGER], true),
    cluster.load('default', [file]),
  ]);
  // As in the two others: what takes long on a busy machine is no difference.
  for (const { resp } of [cluster.master, cluster.node('node-0')]) {
    await answersTo(resp, 2, [
      ['config', 'set', 'slowlog-log-slower-than', '-1'],
      ['slowlog', 'reset'],
    ]);
  }
}, 60_000);

afterAll(async () => {
  await Promise.all([cluster?.close(), plain?.close(), clustered?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

function words(list: string): string[][] {
  return list
    .trim()
    .split(/[|\n]/)
    .map((line) => line.split(' '));
}

type Ask = (port: number) => Promise<string>;

/** The differences between the two servers; there should be none. */
async function differences(
  asks: readonly (readonly [string, Ask])[],
  redisPort: number,
  stelePort: number,
): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const [asked, ask] of asks) {
    const [redis, stele] = await Promise.all([ask(redisPort), ask(stelePort)]);
    if (redis !== stele) found.push({ asked, redis, stele });
  }
  return found;
}

function questions(commands: readonly string[][], protocol: number): [string, Ask][] {
  return conversations(
    commands.map((command) => [command]),
    protocol,
  );
}

function conversations(list: readonly string[][][], protocol: number): [string, Ask][] {
  return list.map((commands) => [
    commands.map((command) => command.join(' ')).join('; '),
    (port) => answersTo(port, protocol, commands),
  ]);
}

describe.runIf(available)('the answers are those of redis-server, byte for byte', () => {
  test.each([2, 3])('from the master, over RESP%i', async (protocol) => {
    const asked = [
      ...questions([...words(QUESTIONS), ...INFOS], protocol),
      ...conversations(CONVERSATIONS, protocol),
    ];
    expect(await differences(asked, plain.port, cluster.master.resp)).toEqual([]);
  });

  test.each([2, 3])(
    'from a datanode as from a node of a cluster, over RESP%i',
    async (protocol) => {
      const asked = [
        ...questions([...words(QUESTIONS), ...words(CLUSTER_COMMANDS)], protocol),
        // Redis Cluster requires all keys of a transaction to be in one slot.
        ...conversations(
          CONVERSATIONS.filter((commands) => commands.length < 4 || commands[1]?.[1] !== 'k'),
          protocol,
        ),
      ];
      const { resp } = cluster.node('node-0');
      expect(await differences(asked, clustered.port, resp)).toEqual([]);
    },
  );

  test('to malformed input; the connection then ends or continues, as there', async () => {
    const asked = MALFORMED.map((text): [string, Ask] => {
      const request = Buffer.concat([Buffer.from(text, 'latin1'), multibulk('ECHO', END)]);
      return [text.slice(0, 40), (port) => exchange(port, request)];
    });
    expect(await differences(asked, plain.port, cluster.master.resp)).toEqual([]);
    expect(await differences(asked, plain.port, cluster.node('node-0').resp)).toEqual([]);
  });
});

/** A reply without its types, as far as COMMAND DOCS needs them. */
function plainOf(reply: Reply | undefined): unknown {
  switch (reply?.type) {
    case 'map':
      return Object.fromEntries(
        reply.entries.map(([key, value]) => [plainOf(key), plainOf(value)]),
      );
    case 'array':
    case 'set':
      return reply.items.map(plainOf);
    case 'integer':
      return reply.value;
    case 'bulk':
      return reply.bytes.toString();
    case 'simple':
      return reply.text;
    default:
      throw new Error(`a ${reply?.type} in COMMAND DOCS`);
  }
}

type Docs = Record<string, Record<string, unknown>>;

/** The fields of COMMAND DOCS for each command and subcommand that are compared. */
async function docsOf(port: number): Promise<Map<string, Record<string, unknown>>> {
  const docs: Docs = {};
  // One by one, because redis-server loses what it cannot send at once to a client that has closed
  // its side.
  for (const { name } of COMMANDS.filter(({ handler }) => handler !== 'refused')) {
    const text = await answerTo(port, 3, ['command', 'docs', name]);
    Object.assign(docs, plainOf(decodeReplies([Buffer.from(text, 'latin1')])[0]));
  }
  const all = Object.entries(docs).flatMap(([name, doc]) => [
    [name, doc] as const,
    ...Object.entries((doc['subcommands'] ?? {}) as Docs),
  ]);
  return new Map(
    all.map(([name, { arguments: args, complexity, group, since }]) => [
      name,
      // The order of cost, not its wording.
      { since, group, complexity: /^O\(.*?\)+|.*/.exec(String(complexity))?.[0], arguments: args },
    ]),
  );
}

/** redis-server 7.0 lacks the name of each argument, which redis-cli shows since 7.2. */
function withoutDisplayText(args: unknown): unknown {
  if (!Array.isArray(args)) return args;
  return (args as Record<string, unknown>[]).map(({ display_text: shown, ...arg }) => {
    const { arguments: more, name } = arg;
    expect(shown).toBe(more === undefined ? name : undefined);
    return more === undefined ? arg : { ...arg, arguments: withoutDisplayText(more) };
  });
}

/**
 * Intended differences of COMMAND DOCS, and their reasons. Not compared: the summary, which is
 * Stele's own, and the history.
 */
const DOCS_DIFFER: Record<string, string> = {
  'select arguments': 'a keyspace has a name',
  'cluster|countkeysinslot complexity': 'the keys of a shard are read',
  'cluster|getkeysinslot complexity': 'the keys of a shard are read',
};

describe.runIf(available)('COMMAND DOCS', () => {
  test('has the fields that hints are made of, as redis-server has them', async () => {
    const theirs = await docsOf(plain.port);
    const ours = await docsOf(cluster.master.resp);
    const found = new Set<string>();
    for (const [name, doc] of ours) {
      const { complexity, group, since } = doc;
      expect([since, group, complexity].join(' ')).toMatch(
        /^\d+\.\d+\.\d+ [a-z-]+ (O\(|Depends on|With)/,
      );
      doc['arguments'] = withoutDisplayText(doc['arguments']);
      const redis = theirs.get(name);
      if (NEWER.test(name)) expect(redis).toBeUndefined();
      else {
        for (const field of Object.keys(doc)) {
          if (!isDeepStrictEqual(doc[field], redis?.[field])) found.add(`${name} ${field}`);
        }
      }
    }
    expect([...found].sort()).toEqual(Object.keys(DOCS_DIFFER).sort());
    expect(ours.size).toBeGreaterThan(50);
    expect(await docsOf(cluster.node('node-0').resp)).toEqual(await docsOf(cluster.master.resp));
  });
});

describe.runIf(available)('DUMP', () => {
  test('is what RESTORE of redis-server takes', async () => {
    const redis = new Redis(plain.port);
    const stele = new Redis(cluster.master.resp);
    const node = new Redis(cluster.node('node-0').resp);
    onTestFinished(() => {
      for (const client of [redis, stele, node]) client.disconnect();
    });
    for (const [key, value] of [...PAIRS, ...LONGER]) {
      const dump = await stele.dumpBuffer(key);
      expect(await node.dumpBuffer(key)).toEqual(dump);
      await redis.restore(`copy of ${key}`, 0, dump);
      expect((await redis.get(`copy of ${key}`)) === value).toBe(true);
    }
  });
});

/** The fields of INFO, and the type of each value: an integer, a decimal, or text. */
async function infoOf(port: number): Promise<Map<string, string>> {
  const text = await answerTo(port, 2, ['info']);
  const lines = [...text.matchAll(/^([a-z]\w*):(.*?)\r?$/gm)];
  return new Map(
    lines.map(([, name = '', value = '']) => {
      if (/^-?\d+$/.test(value)) return [name, 'integer'];
      return [name, /^-?\d+\.\d+$/.test(value) ? 'decimal' : 'text'];
    }),
  );
}

describe.runIf(available)('INFO', () => {
  test('has every field of redis-server with the same type, except those that docs/redis.md leaves out', async () => {
    const [, , ...rows] = tableRows(section(readDoc('docs/redis.md'), 'INFO'));
    const leftOut = rows
      .flatMap(([names = '']) => names.split(' '))
      .map((name) => new RegExp(`^${name.replaceAll('*', '\\w*')}$`));
    expect(leftOut.length).toBeGreaterThan(5);
    for (const [redis, stele] of [
      [plain.port, cluster.master.resp],
      [clustered.port, cluster.node('node-0').resp],
    ] as const) {
      const theirs = await infoOf(redis);
      const ours = await infoOf(stele);
      const differs = [...theirs].filter(
        ([name, kind]) => ours.get(name) !== kind && !leftOut.some((each) => each.test(name)),
      );
      expect(differs).toEqual([]);
      const needless = leftOut.filter((each) => [...ours.keys()].some((name) => each.test(name)));
      expect(needless).toEqual([]);
    }
  });

  test('counts hits, misses, commands and bytes', async () => {
    for (const { resp } of [cluster.master, cluster.node('node-0')]) {
      const numbers = async (): Promise<number[]> => {
        const text = await answerTo(resp, 2, ['info']);
        return [
          'keyspace_hits',
          'keyspace_misses',
          'total_net_input_bytes',
          'total_net_output_bytes',
        ].map((name) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]));
      };
      const [hits = 0, misses = 0, input = 0, output = 0] = await numbers();
      await answerTo(resp, 2, ['get', 'long']);
      await answerTo(resp, 2, ['get', 'none']);
      const [hitsNow, missesNow, inputNow, outputNow] = await numbers();
      expect([hitsNow, missesNow]).toEqual([hits + 1, misses + 1]);
      expect(inputNow).toBeGreaterThan(input + 40);
      expect(outputNow).toBeGreaterThan(output + 100);
    }
  });
});
