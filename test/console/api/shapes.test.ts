// What the console expects of answers is what the OpenAPI document says of them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HttpFixture } from '../../master/front/http-fixture.ts';
import { PROJECT } from '../../support/process/stele-process.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** Interface -> the route whose answer it is. */
const ANSWERS = {
  Session: '/v1/session',
  Health: '/v1/cluster/health',
  Shards: '/v1/shards',
  Keyspaces: '/v1/keyspaces',
  Versions: '/v1/keyspaces/{keyspace}/versions',
  Loads: '/v1/loads',
  Events: '/v1/events',
  Masters: '/v1/masters',
  Stats: '/v1/stats',
  HotKeys: '/v1/keyspaces/{keyspace}/hot-keys',
  Cost: '/v1/keyspaces/{keyspace}/cost',
  Diff: '/v1/keyspaces/{keyspace}/diff',
  ExplainedKey: '/v1/explain/{keyspace}/{key}',
} as const;

const file = join(PROJECT, 'console', 'api', 'shapes.ts');
const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2023, true);
const declared = new Map<string, ts.TypeNode | ts.InterfaceDeclaration>();
source.forEachChild((node) => {
  if (ts.isInterfaceDeclaration(node)) declared.set(node.name.text, node);
  if (ts.isTypeAliasDeclaration(node)) declared.set(node.name.text, node.type);
});
let http: HttpFixture;

beforeAll(async () => {
  http = await HttpFixture.start();
});

afterAll(() => http.stop());

type Shape = ts.TypeNode | ts.InterfaceDeclaration;

/** Where a type expects what the schema does not promise. */
function differences(shape: Shape, schema: Schema | undefined, path: string): string[] {
  if (schema === undefined) return [`${path} is not in the document`];
  if (ts.isInterfaceDeclaration(shape) || ts.isTypeLiteralNode(shape)) {
    return shape.members.flatMap((member) => {
      if (!ts.isPropertySignature(member) || member.type === undefined) return [];
      const name = member.name.getText();
      const isSure = schema.required?.includes(name) === true || member.questionToken !== undefined;
      const found = differences(member.type, schema.properties?.[name], `${path}.${name}`);
      return isSure ? found : [`${path}.${name} may be missing`, ...found];
    });
  }
  if (ts.isTypeOperatorNode(shape)) return differences(shape.type, schema, path);
  if (ts.isArrayTypeNode(shape)) return differences(shape.elementType, schema.items, `${path}[]`);
  if (ts.isTupleTypeNode(shape)) {
    return shape.elements.flatMap((each) => differences(each, schema.items, `${path}[]`));
  }
  if (ts.isTypeReferenceNode(shape)) {
    const found = declared.get(shape.typeName.getText());
    return found === undefined ? [`${path}: ${shape.getText()}`] : differences(found, schema, path);
  }
  return scalarDifferences(shape, schema, path);
}

const isNull = (type: ts.TypeNode): boolean => type.getText() === 'null';

function scalarDifferences(type: ts.TypeNode, schema: Schema, path: string): string[] {
  const kinds = [schema.type ?? []].flat();
  if (ts.isUnionTypeNode(type) && type.types.some(isNull)) {
    const [rest, ...more] = type.types.filter((each) => !isNull(each));
    if (rest === undefined || more.length > 0) return [`${path} is a union`];
    const inner = schema.anyOf?.find((one) => one.type !== 'null') ?? {
      ...schema,
      type: kinds.filter((kind) => kind !== 'null'),
    };
    return differences(rest, inner, path);
  }
  const expected = ts.isUnionTypeNode(type) ? unionOf(type) : type.getText();
  const kind = kinds.length === 1 ? kinds[0] : 'more than one type, or none';
  const promised = schema.enum?.toSorted().join(' ') ?? (kind === 'integer' ? 'number' : kind);
  // A word of a closed list may be taken for any text.
  const isText = expected === 'string' && kind === 'string';
  return isText || promised === expected ? [] : [`${path}: ${expected} is ${promised}`];
}

function unionOf(type: ts.UnionTypeNode): string {
  const words = type.types.map((each) => each.getText().replaceAll("'", ''));
  return words.sort().join(' ');
}

test.each(Object.entries(ANSWERS))('%s is the answer of %s', async (name, route) => {
  const { paths } = (await http.get('/docs/json')).json<{
    paths: Record<
      string,
      { get: { responses: { 200: { content: Record<string, { schema: Schema }> } } } }
    >;
  }>();
  const schema = paths[route]?.get.responses[200].content['application/json']?.schema;
  expect(differences(declared.get(name)!, schema, name)).toEqual([]);
});
