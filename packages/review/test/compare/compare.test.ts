// SPDX-License-Identifier: GPL-2.0-only
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { scenarioByName } from '@vfio-lab/scenarios';
import { describe, expect, it } from 'vitest';
import { comparisonPages } from '../../src/html/index.ts';
import {
  b4Checks,
  checksOfComparison,
  compareRevisions,
  ktap,
  mailText,
  readSeries,
  seriesFromGit,
  seriesOfMail,
} from '../../src/index.ts';

const FEW = ['low-power-enter', 'exit-without-enter', 'bar-read-asleep'].map(scenarioByName);

/** A review of v4, made up: one remark on a line that stays, one on a function that goes. */
const MBOX = `From a Mon Sep 17 00:00:00 2001
From: Abhishek Sahu <abhsahu@nvidia.com>
Date: Fri, 1 Jul 2022 16:38:08 +0530
Subject: [PATCH v4 0/6] vfio/pci: power management changes
Message-ID: <0@example.org>

About power.

From a Mon Sep 17 00:00:00 2001
From: Abhishek Sahu <abhsahu@nvidia.com>
Date: Fri, 1 Jul 2022 16:38:12 +0530
Subject: [PATCH v4 4/6] vfio/pci: Add the support for PCI D3cold state
Message-ID: <4@example.org>
In-Reply-To: <0@example.org>

Words.

diff --git a/drivers/vfio/pci/vfio_pci_core.c b/drivers/vfio/pci/vfio_pci_core.c
--- a/drivers/vfio/pci/vfio_pci_core.c
+++ b/drivers/vfio/pci/vfio_pci_core.c
@@ -1,2 +1,3 @@ static int vfio_pci_core_feature_pm(struct vfio_device *device)
 \tint ret;
+\tret = lamp_on(device);
 \treturn ret;
@@ -9,2 +10,3 @@ static int vfio_pci_dev_set_hot_reset(struct vfio_device_set *set)
 \tint ret;
+\tret = lamp_all(set);
 \treturn ret;

From a Mon Sep 17 00:00:00 2001
From: Bob Reviewer <bob@example.org>
Date: Mon, 4 Jul 2022 10:00:00 +0000
Subject: Re: [PATCH v4 4/6] vfio/pci: Add the support for PCI D3cold state
Message-ID: <b@example.org>
In-Reply-To: <4@example.org>

On Fri, 1 Jul 2022, Abhishek Sahu wrote:
> diff --git a/drivers/vfio/pci/vfio_pci_core.c b/drivers/vfio/pci/vfio_pci_core.c
> --- a/drivers/vfio/pci/vfio_pci_core.c
> +++ b/drivers/vfio/pci/vfio_pci_core.c
> @@ -1,2 +1,3 @@ static int vfio_pci_core_feature_pm(struct vfio_device *device)
>  \tint ret;
> +\tret = lamp_on(device);

Why on?

>  \treturn ret;
> @@ -9,2 +10,3 @@ static int vfio_pci_dev_set_hot_reset(struct vfio_device_set *set)
>  \tint ret;
> +\tret = lamp_all(set);

All of them?
`;

describe('two revisions', () => {
  it('should show what differs between v4 and v7', async () => {
    const c = await compareRevisions('v4', 'v7', { scenarios: FEW, claims: false });

    expect(c.scenarios.map((s) => [s.name, s.state])).toEqual([
      ['low-power-enter', 'order'],
      ['exit-without-enter', 'differs'],
      ['bar-read-asleep', 'differs'],
    ]);
    expect(c.sameBehaviour).toBe(false);
    const state = (name: string): string | undefined => c.functions.find((f) => f.name === name)?.state;
    expect(state('vfio_pci_core_feature_pm')).toBe('dropped');
    expect(state('vfio_pci_core_pm_entry')).toBe('new');
    expect(state('vfio_pci_core_disable')).toBe('changed');
    expect(state('vfio_pci_dev_set_hot_reset')).toBe('same');
    expect(c.fields.onlyB).toEqual(['struct vfio_pci_core_device pm_wake_eventfd_ctx']);
  });

  it('should align timelines at the first difference', async () => {
    const c = await compareRevisions('v4', 'v7', { scenarios: [FEW[2]], claims: false });
    const { rows, before } = c.scenarios[0].timeline ?? { rows: [], before: -1 };

    expect(before).toBeGreaterThan(0);
    const first = rows.findIndex((r) => r.a === null || r.b === null);
    expect(rows.slice(0, first).every((r) => r.a?.text === r.b?.text)).toBe(true);
    expect(rows.flatMap((r) => [r.a?.kind, r.b?.kind])).toEqual(
      expect.arrayContaining(['lock', 'pm', 'pci', 'flag', 'user', 'saw']),
    );
  });

  it('should find no difference in behaviour between v6 and v7', async () => {
    const c = await compareRevisions('v6', 'v7', { claims: false, schedules: 2 });

    expect(c.scenarios.filter((s) => s.state !== 'same').map((s) => s.name)).toEqual([]);
    expect(c.sameBehaviour).toBe(true);
    expect(c.patches.map((p) => p.state)).toEqual(['same', 'same', 'changed', 'changed', 'changed']);
  });

  it('should say of each remark whether its lines changed, open ones first', async () => {
    const series = await readSeries(MBOX, 'v4.mbox');
    const c = await compareRevisions('v4', 'v7', { seriesA: series, scenarios: [], claims: false });

    expect(c.ledger.map((l) => [l.function, l.state])).toEqual([
      ['vfio_pci_dev_set_hot_reset', 'open'],
      ['vfio_pci_core_feature_pm', 'gone'],
    ]);
    const fn = c.functions.find((f) => f.name === 'vfio_pci_dev_set_hot_reset');
    expect(fn?.cA.map((h) => h.patch)).toEqual([4]);
    expect(fn?.cA[0].diff).toContain('+\tret = lamp_all(set);\n');
  });

  it('should read the C of a range from a kernel tree', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'vfio-lab-'));
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', dir, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
        encoding: 'utf8',
      });
    git('init', '-q');
    writeFileSync(path.join(dir, 'lamp.c'), 'int lamp_on(void)\n{\n\treturn 0;\n}\n');
    git('add', '.');
    git('commit', '-q', '-m', 'lamp: Begin');
    writeFileSync(path.join(dir, 'lamp.c'), 'int lamp_on(void)\n{\n\treturn 1;\n}\n');
    git('commit', '-q', '-a', '-m', 'lamp: On is one');

    const series = await seriesFromGit(dir, 'HEAD~1..HEAD');
    expect(series.patches.map((p) => [p.subject, p.functions])).toEqual([
      ['lamp: On is one', [{ file: 'lamp.c', name: 'lamp_on' }]],
    ]);
    await expect(seriesFromGit(dir, 'HEAD..HEAD')).rejects.toThrow(/^no commits: /);
    await expect(seriesFromGit(dir, 'nope..HEAD')).rejects.toThrow(/give a git directory and a range/);
    await expect(seriesFromGit(dir, '--all')).rejects.toThrow(/^no range of commits: /);
  });

  it('should refuse what is no revision, and mails of another series', async () => {
    await expect(compareRevisions('v4', 'v9')).rejects.toThrow(/^no such revision: /);
    const series = await readSeries(MBOX, 'v4.mbox');
    await expect(compareRevisions('v5', 'v6', { seriesA: series })).rejects.toThrow(
      /is not the ported series/,
    );
  });

  it('should become pages whose links lead somewhere', async () => {
    const series = await readSeries(MBOX.replace('Why on?', 'Why <on>?'), 'v4.mbox');
    const c = await compareRevisions('v4', 'v7', { seriesA: series, scenarios: FEW, claims: false });
    const pages = comparisonPages(c);

    expect([...pages.keys()]).toEqual(
      expect.arrayContaining([
        'index.html',
        'functions.html',
        'scenario-bar-read-asleep.html',
        'style.css',
        'keys.js',
      ]),
    );
    const ids = new Map(
      [...pages].map(([file, text]) => [
        file,
        new Set([...text.matchAll(/ id="([^"]+)"/g)].map((m) => m[1])),
      ]),
    );
    const broken = [...pages].flatMap(([file, text]) =>
      [...text.matchAll(/href="([^"#]*)(?:#([^"]*))?"/g)]
        .map(([, to, hash]) => ({ to: to === '' ? file : to, hash }))
        // Claims were left out.
        .filter(
          ({ to, hash }) =>
            to !== 'claims.html' && (!pages.has(to) || (hash !== undefined && !ids.get(to)?.has(hash))),
        )
        .map(({ to, hash }) => `${file}: ${to}#${hash ?? ''}`),
    );
    expect(broken).toEqual([]);
    expect(pages.get('functions.html')).toContain('Why &lt;on&gt;?');
    expect([...pages.values()].join('')).not.toMatch(/(?:src|href)="https?:/);
  });
});

describe('checks for other tools', () => {
  it('should fail only for findings that are new', async () => {
    const c = await compareRevisions('v4', 'v7', { scenarios: FEW, claims: false });
    const groups = checksOfComparison(c);

    expect(b4Checks(groups)).toMatchObject([
      {
        tool: 'vfio-lab-scenarios',
        status: 'warn',
        summary: 'v4 against v7: 1 of 3 fine, 2 to look at',
        url: '',
      },
    ]);
    expect(ktap(groups).split('\n').slice(0, 6)).toEqual([
      'KTAP version 1',
      '1..1',
      '  KTAP version 1',
      '  # Subtest: scenarios',
      '  1..3',
      '  ok 1 low-power-enter',
    ]);
    expect(
      mailText('v4 and v7', groups)
        .split('\n')
        .filter((l) => l.length > 72),
    ).toEqual([]);
  });

  it('should know the series of a mail', () => {
    expect(
      seriesOfMail(
        'Message-ID: <20220829114850.4341-3-abhsahu@nvidia.com>\nSubject: x\n\nSubject: [PATCH v4] y',
      ),
    ).toBe('v7');
    expect(
      seriesOfMail(
        'Subject: [PATCH v4 3/6] vfio: Increment the runtime PM\n usage count during IOCTL call\n\n',
      ),
    ).toBe('v4');
    expect(() => seriesOfMail('Subject: lamp: On\n\n')).toThrow(/^a mail of no series/);
  });
});
