// SPDX-License-Identifier: GPL-2.0-only

export interface Subject {
  title: string;
  reply: boolean;
  /** The brackets name it a patch (or patchwork left out the word). */
  patch: boolean;
  version: number;
  /** 1 in v5.1: a single patch sent anew within its series. */
  reroll: number;
  number: number | null;
  total: number | null;
  tags: string[];
}

/**
 * Takes a subject apart: `Re: [RFC PATCH v2 3/6] title`, patchwork's `[RFC,v2,3/6] title`, and the like.
 * Text before the brackets other than Re:/Fwd: leaves them part of the title.
 */
export function parseSubject(subject: string): Subject {
  const result: Subject = {
    title: '',
    reply: false,
    patch: false,
    version: 1,
    reroll: 0,
    number: null,
    total: null,
    tags: [],
  };
  let rest = subject.replace(/\s+/g, ' ').trim();
  for (;;) {
    const reply = /^(?:re|aw|antw|sv|fwd?)(?:\[\d+\])?\s*:\s*/i.exec(rest);
    const bracket = /^\[([^\]]*)\]\s*/.exec(rest);
    if (reply) {
      result.reply = true;
      rest = rest.slice(reply[0].length);
    } else if (bracket) {
      for (const word of (bracket[1] ?? '').split(/[\s,]+/).filter(Boolean)) readTag(word, result);
      rest = rest.slice(bracket[0].length);
    } else {
      break;
    }
  }
  result.title = rest;
  return result;
}

function readTag(word: string, into: Subject): void {
  const version = /^v(\d+)(?:\.(\d+))?$/i.exec(word);
  const count = /^(\d+)\/(\d+)$/.exec(word);
  if (version) {
    into.version = Number(version[1]);
    into.reroll = Number(version[2] ?? 0);
  } else if (count) {
    into.number = Number(count[1]);
    into.total = Number(count[2]);
    into.patch = true;
  } else if (/^(rfc)?patch$/i.test(word)) {
    into.patch = true;
    if (/^rfc/i.test(word)) into.tags.push('RFC');
  } else if (/^patch(v\d+)$/i.test(word)) {
    into.patch = true;
    into.version = Number(word.slice(6));
  } else {
    if (/^(rfc|rft|resend)$/i.test(word)) into.patch = true;
    into.tags.push(/^(rfc|rft|resend)$/i.test(word) ? word.toUpperCase() : word);
  }
}
