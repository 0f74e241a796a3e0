// Markdown parsing for the documentation tests: tables, fenced blocks, headings, links.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../support/process/stele-process.ts';

export function readDoc(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

/** The cells of every table row in `text`, without backquotes; headings and rulers included. */
export function tableRows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

/** The text below `## title`, up to the next heading of that level. Throws if there is none. */
export function section(text: string, title: string): string {
  const found = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  if (found === undefined) throw new Error(`there is no section '${title}'`);
  return found;
}

/** The contents of all blocks fenced as `language`, in order. */
export function fencedBlocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === language)
    .map((match) => match[2] ?? '');
}

/** `text` without fenced blocks and code spans: prose, in which brackets are links. */
function proseOf(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
}

/** Targets of all links in prose. */
export function linkTargets(text: string): string[] {
  return [...proseOf(text).matchAll(/\]\(([^()\s]+)\)/g)].map((match) => match[1] ?? '');
}

/** The anchors of headings: lower case, without punctuation, spaces as dashes. */
export function anchorsOf(text: string): Set<string> {
  const headings = text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#{1,6} (.*)$/gm);
  return new Set(
    [...headings].map((match) =>
      (match[1] ?? '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}
