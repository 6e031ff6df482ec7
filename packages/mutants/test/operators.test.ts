// SPDX-License-Identifier: GPL-2.0-only
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { edited, keyOf, type Mutant, mutantsOf } from '../src/operators.ts';

function mutants(body: string): Mutant[] {
  const text = `export async function f(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {\n${body}\n}`;
  const file = ts.createSourceFile('f.ts', text, ts.ScriptTarget.ES2023, true);
  const declaration = file.statements[0] as ts.FunctionDeclaration;
  return mutantsOf({ name: 'f', file: 'f.c', patch: 1, from: 'v4 1/6', declaration });
}

/** Each mutant in a line: what is done, and to what; = before those that are the same program. */
function keys(body: string): string[] {
  return mutants(body).map((m) => `${m.same === '' ? '' : '= '}${keyOf(m).slice('f: '.length)}`);
}

/** The text of the function's body in a mutant. */
function bodyOf(m: Mutant): string {
  const text = edited(m.anchor.getSourceFile().text, m.edits);
  return text
    .slice(text.indexOf('{') + 1, text.lastIndexOf('}'))
    .replace(/\s+/g, ' ')
    .trim();
}

describe('mutantsOf', () => {
  it('leaves out and moves what takes or drops a lock', () => {
    expect(
      keys(`
        await down_write(vdev.memory_lock);
        await this.vfio_pci_set_power_state(vdev, PCI_D0);
        await up_write(vdev.memory_lock);`),
    ).toEqual([
      'left out: down_write(vdev.memory_lock)',
      'moved down: down_write(vdev.memory_lock)',
      'left out: up_write(vdev.memory_lock)',
      'moved up: up_write(vdev.memory_lock)',
    ]);
  });

  it('leaves alone what does none of it', () => {
    expect(keys('await pci_save_state(pdev); const x = 1; kfree(x);')).toEqual([]);
  });

  it('takes for a success what it leaves out, when the result is looked at', () => {
    const [left] = mutants(`
      const ret = await pm_runtime_resume_and_get(dev);
      if (ret < 0) return ret;`);
    expect(bodyOf(left)).toBe('const ret = 0; if (ret < 0) return ret;');
  });

  it('leaves out a check: never true when it leaves, always true when it guards', () => {
    const bodies = mutants(`
      if (vdev.pm_runtime_engaged) return -EINVAL;
      if (vdev.needs_reset) await pci_reset_bus(pdev);`).filter((m) => m.operator === 'check left out');
    expect(bodies.map(bodyOf)).toEqual([
      'if (false) return -EINVAL; if (vdev.needs_reset) await pci_reset_bus(pdev);',
      'if (vdev.pm_runtime_engaged) return -EINVAL; if (true) await pci_reset_bus(pdev);',
    ]);
  });

  it('leaves out one part of a condition at a time, and each way of an if with an else', () => {
    expect(keys('if (vdev.reset_works && (await pci_dev_trylock(pdev))) await pci_reset_bus(pdev);')).toEqual(
      [
        'check left out: if (vdev.reset_works && (pci_dev_trylock(pdev))) [vdev.reset_works = true]',
        'check left out: if (vdev.reset_works && (pci_dev_trylock(pdev))) [pci_dev_trylock(pdev) = true]',
        'result ignored: if (vdev.reset_works && (pci_dev_trylock(pdev))) [pci_dev_trylock(pdev) = true]',
      ],
    );
    expect(keys('if (vdev.pci_2_3) await f(vdev); else await g(vdev);')).toEqual([
      'check left out: if (vdev.pci_2_3) [vdev.pci_2_3 = true]',
      'check left out: if (vdev.pci_2_3) [vdev.pci_2_3 = false]',
    ]);
  });

  it('does not move a statement above a variable that it needs, nor behind a return', () => {
    expect(
      keys(`
        const flags = await spin_lock_irqsave(vdev.irqlock);
        await spin_unlock_irqrestore(vdev.irqlock, flags);
        return 0;`),
    ).toEqual([
      'left out: const flags = spin_lock_irqsave(vdev.irqlock)',
      'left out: spin_unlock_irqrestore(vdev.irqlock, flags)',
    ]);
  });

  it('moves over declarations that only name something', () => {
    const [, moved] = mutants(`
      await mutex_lock(vdev.igate);
      const { pdev } = vdev;
      await pci_reset_bus(pdev);`);
    expect(bodyOf(moved)).toBe(
      'const { pdev } = vdev; await pci_reset_bus(pdev); await mutex_lock(vdev.igate);',
    );
  });

  it('knows two statements that nobody can tell the order of', () => {
    expect(keys('vdev.ctx[0].masked = true; vdev.virq_disabled = false;')).toContain(
      '= moved down: vdev.ctx[0].masked = true',
    );
    expect(keys('let do_resume = false; do_resume = true; await up_write(vdev.memory_lock);')).toContain(
      '= moved down: do_resume = true',
    );
    expect(keys('vdev.ctx[0].masked = true; await pci_intx(pdev, 0);')).toContain(
      'moved down: vdev.ctx[0].masked = true',
    );
  });

  it('makes no text twice', () => {
    const all = mutants(`
      await mutex_lock(vdev.igate);
      await mutex_unlock(vdev.igate);`);
    expect(new Set(all.map(bodyOf)).size).toBe(all.length);
    expect(all).toHaveLength(3);
  });
});
