// Checks objects of Kubernetes against its API: the compiler checks each as a literal of the type
// of its kind, so that it finds missing fields, values of other types, and fields that do not
// exist, which a server would drop or refuse.

import { join } from 'node:path';
import ts from 'typescript';
import { PROJECT } from '../process/stele-process.ts';

interface Typed {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** Packages with the types of groups that Kubernetes itself does not have. */
const PACKAGES: Readonly<Record<string, string>> = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'cert-manager.io': '@kubernetes-models/cert-manager',
};

/** One sentence for each problem: kind, name, and what the compiler says. */
export function typeProblems(objects: readonly Typed[]): string[] {
  const path = join(PROJECT, 'test/support/kubernetes/objects.ts');
  const program = programOf(path, objects.map(literal).join('\n'));
  const source = program.getSourceFile(path);
  return ts.getPreEmitDiagnostics(program, source).map((diagnostic) => {
    const line = source?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
    const object = objects[line];
    const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
    return `${object?.kind} ${object?.metadata.name}: ${message}`;
  });
}

/** One line for each object, so that the line of a problem tells which it is in. */
function literal(object: Typed, index: number): string {
  const { apiVersion, kind } = object;
  const [group = ''] = apiVersion.split('/');
  const from = `${PACKAGES[group] ?? 'kubernetes-models'}/${apiVersion}`;
  return `export const object${index}: import(${JSON.stringify(from)}).I${kind} = ${JSON.stringify(object)};`;
}

function programOf(path: string, text: string): ts.Program {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const own: ts.CompilerHost = {
    ...host,
    fileExists: (name) => name === path || host.fileExists(name),
    readFile: (name) => (name === path ? text : host.readFile(name)),
    getSourceFile: (name, ...rest) =>
      name === path
        ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true)
        : host.getSourceFile(name, ...rest),
  };
  return ts.createProgram([path], options, own);
}
