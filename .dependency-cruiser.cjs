// The import directions of docs/ARCHITECTURE.md, as rules. Every product folder lists what it may
// import; anything else between two product folders is an error.
const may = {
  base: [],
  ring: ['base'],
  segment: ['base'],
  resp: ['base'],
  proto: ['base'],
  loader: ['base', 'ring', 'segment', 'proto'],
  datanode: ['base', 'ring', 'segment', 'resp', 'proto'],
  master: ['base', 'ring', 'resp', 'proto'],
  client: ['base', 'ring', 'resp', 'proto'],
  cli: ['base', 'proto', 'client', 'master', 'datanode', 'loader'],
};
const product = Object.keys(may);

module.exports = {
  forbidden: [
    ...product.map((folder) => ({
      name: `${folder}-imports`,
      severity: 'error',
      comment: `${folder}/ may import: ${may[folder].join(', ') || 'nothing of ours'}`,
      from: { path: `^${folder}/` },
      to: {
        path: `^(${[...product, 'test', 'bench'].join('|')})/`,
        pathNot: `^(${[folder, ...may[folder]].join('|')})/`,
      },
    })),
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
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
      from: { path: `^(${product.join('|')})/.*[.]ts$` },
      to: { dependencyTypes: ['npm-dev'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|proto/gen|node_modules|[.]stele|data|tmp)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.cjs', '.js', '.json'],
    },
  },
};
