// Avro object container files. This file is loaded, with its libraries, when an input is of the
// format.

import type { types } from 'avsc';
import { SteleError } from '../../../base/errors.ts';
import { listNames, shorten } from '../../../base/ids.ts';
import { columnsDialect } from '../../input/dialect.ts';
import { nameOf } from '../../input/inputs.ts';
import type { Piece } from '../input-format.ts';
import { numberedFormat } from '../numbered.ts';
import { blocksOfFile, damaged, readHeader } from './container.ts';
import { fieldsOf, parseAvro, rowsAsJson } from './rows.ts';
import type { AvroLayout } from './rows.ts';
import { rowType } from './schema.ts';

export const avroFormat = numberedFormat({
  parse: parseAvro,
  rowsAsJson,
  open({ format, readPath, sizeBytes }, flags, { name }) {
    const { dataStart, schema } = readHeader(readPath, sizeBytes, name);
    const { fields } = typeOf(schema, name);
    const names = fields.map((field) => field.name);
    const dialect = { ...columnsDialect(format, names, flags), ...flags.rules };
    const { values } = fieldsOf(schema);
    if (values[dialect.keyColumn]?.isNested === true) {
      const flat = names.filter((_, column) => values[column]?.isNested === false);
      throw new SteleError(
        'INVALID_ARGUMENT',
        `The column '${shorten(names[dialect.keyColumn] ?? '')}' of ${name} has lists, maps or records, which cannot be keys; choose another with --key: ${listNames(flat, 12)}.`,
      );
    }
    return { name, format, dialect, start: dataStart, startLine: 0, droppedMembers: [] };
  },
  /** Blocks are put together until there are `chunkBytes` of them. */
  *cut({ path, readPath, sizeBytes }, chunkBytes): Generator<Piece, void, undefined> {
    const name = nameOf({ path });
    const header = readHeader(readPath, sizeBytes, name);
    const { codec, schema } = header;
    const layout: AvroLayout = { name, schema, codec };
    let start = header.dataStart;
    let [first, count] = [0, 0];
    for (const { end, rows } of blocksOfFile(readPath, sizeBytes, header, name)) {
      count += rows;
      if (end - start < chunkBytes && end < sizeBytes) continue;
      yield { start, end, rows: { parts: [start, end], first, count, layout } };
      [start, first, count] = [end, first + count, 0];
    }
  },
});

function typeOf(schema: string, name: string): types.RecordType {
  try {
    return rowType(schema);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw damaged(name, `its schema cannot be read (${shorten(why, 200)})`);
  }
}
