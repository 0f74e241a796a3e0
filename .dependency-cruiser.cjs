// The import directions of docs/ARCHITECTURE.md, as rules. Every product folder lists what it may
// import; anything else between two product folders is an error.
const may = {
  base: [],
  ring: ['base'],
  segment: ['base'],
  resp: ['base', 'access', 'transport'],
  proto: ['base'],
  access: ['base', 'proto'],
  transport: ['base', 'proto', 'access'],
  archive: ['base', 'ring', 'segment', 'proto', 'transport'],
  routing: ['base', 'ring', 'proto', 'transport'],
  loader: ['base', 'ring', 'segment', 'proto', 'transport', 'archive'],
  datanode: ['base', 'ring', 'segment', 'resp', 'proto', 'access', 'transport', 'archive'],
  master: ['base', 'ring', 'resp', 'proto', 'access', 'transport', 'archive', 'routing'],
  client: ['base', 'ring', 'resp', 'proto', 'access', 'transport', 'routing'],
  embedded: ['base', 'proto', 'access', 'transport', 'client', 'master', 'datanode', 'loader'],
  cli: [
    'base',
    'ring',
    'resp',
    'proto',
    'access',
    'transport',
    'archive',
    'client',
    'master',
    'datanode',
    'loader',
    'embedded',
  ],
};
/**
 * The rooms of a folder, from the ground up: one may import what stands before it, and nothing
 * beside it or after. A room is a folder or, at the folder's top, a file.
 */
const rooms = {
  base: [
    [
      'abort',
      'byte-budget',
      'bytes',
      'clock',
      'errors',
      'glob',
      'input-buffer',
      'limits',
      'log-sink',
      'run-steps',
      'token-bucket',
    ],
    ['ids', 'log', 'problem', 'progress-timer', 'shard-count', 'sweeper'],
    ['address', 'background', 'segment-name', 'units'],
    ['config', 'disk', 'process'],
    ['env'],
  ],
  loader: [
    ['format-names'],
    ['settings'],
    ['bytes'],
    ['remote'],
    ['input'],
    ['parse'],
    ['detect'],
    ['formats'],
    ['runs', 'plan'],
    ['threads', 'work', 'push'],
    ['stages'],
    ['load', 'sample'],
    ['dry-run', 'transfer'],
    ['backup', 'restore', 'stored', 'builds', 'export'],
    ['follow'],
  ],
  datanode: [
    ['settings', 'identity', 'order-checks', 'read-stats', 'disk'],
    ['storage'],
    ['transfer', 'reads', 'view'],
    ['maintenance'],
    ['report'],
    ['node'],
    ['access-feed', 'registration', 'endpoints', 'process-overhead'],
    ['start-node'],
    ['server'],
  ],
  master: [
    ['settings', 'metadata'],
    ['catalog'],
    ['callers'],
    ['core'],
    ['control'],
    ['loads'],
    ['operations'],
    ['front', 'control-plane'],
    ['seat'],
    ['candidate'],
    ['serve'],
    ['server', 'query'],
  ],
  'master/core': [
    ['world'],
    ['serving'],
    ['plans'],
    ['questions', 'control-state'],
    ['control-events'],
    ['control'],
  ],
  resp: [['wire'], ['commands'], ['data', 'cluster', 'info'], ['session'], ['server']],
};
const pathOf = (folder, names) => `^${folder}/(${names.join('|')})(/|[.]ts$)`;
const roomRules = Object.entries(rooms).flatMap(([folder, levels]) => [
  {
    name: `${folder}-has-rooms`,
    severity: 'error',
    comment: `every file of ${folder}/ is in a room of .dependency-cruiser.cjs`,
    from: {},
    to: { path: `^${folder}/.*[.]ts$`, pathNot: pathOf(folder, levels.flat()) },
  },
  ...levels.flatMap((level, at) =>
    level.map((room) => ({
      name: `${folder}-${room}-imports`,
      severity: 'error',
      comment: `${folder}/${room} may import what stands before it: ${levels.slice(0, at).flat().join(', ') || 'nothing of the folder'}`,
      from: { path: pathOf(folder, [room]) },
      to: {
        path: `^${folder}/.*[.]ts$`,
        pathNot: pathOf(folder, [room, ...levels.slice(0, at).flat()]),
      },
    })),
  ),
]);
// The console is a page: it knows the others by their HTTP interface alone, and they serve its
// files.
may.console = [];
const product = Object.keys(may);
const inProcesses = product.filter((folder) => folder !== 'console');

module.exports = {
  forbidden: [
    ...product.map((folder) => ({
      name: `${folder}-imports`,
      severity: 'error',
      comment: `${folder}/ may import: ${may[folder].join(', ') || 'nothing of ours'}`,
      // What builds a folder is no part of it.
      from: { path: `^${folder}/.*[.]tsx?$` },
      to: {
        path: `^(${[...product, 'test', 'bench'].join('|')})/`,
        pathNot: `^(${[folder, ...may[folder]].join('|')})/`,
      },
    })),
    ...roomRules,
    {
      name: 'transport-dials-and-listens',
      severity: 'error',
      comment:
        'sockets are opened in transport/ only; elsewhere their types, and what is listed here: isIP() of the request guard and of certificates',
      from: {
        path: `^(${product.join('|')})/`,
        pathNot: '^transport/|^master/front/http/request-guard[.]ts$|^cli/certs/issue[.]ts$',
      },
      to: {
        path: '^(node:)?(net|tls|dgram|http|https|http2)$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: { pathNot: '^test/simulation/' },
      to: { circular: true },
    },
    {
      name: 'no-circular-at-run-time',
      severity: 'error',
      comment: 'the parts of the simulated cluster know each other by type, through its interface',
      from: { path: '^test/simulation/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-vague-folders',
      severity: 'error',
      comment: 'a folder is a role or a format',
      from: {},
      to: { path: '(^|/)(utils|common|helpers|shared)/', pathNot: 'node_modules' },
    },
    {
      name: 'no-dev-dependency-in-product',
      severity: 'error',
      from: { path: `^(${inProcesses.join('|')})/.*[.]ts$` },
      to: { dependencyTypes: ['npm-dev'] },
    },
    {
      name: 'console-runs-in-browsers',
      severity: 'error',
      comment: 'what is built into the page imports its own files and the packages of the page',
      from: { path: '^console/.*[.]tsx?$' },
      to: { pathNot: '^console/|(^|/)node_modules/(preact|@preact/signals|uplot)/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|proto/gen|[.]stele|data|tmp)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.cjs', '.js', '.json'],
    },
  },
};
