// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { cKeys, tsKeys, unread } from './helpers.ts';

describe('C and its port are the same steps', () => {
  it.each([
    ['a call', 'down_write(&lamp->lock);', 'await down_write(lamp.lock);'],
    ['a call through the image', 'lamp_dim(lamp, 3);', 'await this.lamp_dim(lamp, 3);'],
    ['a call through a pointer', 'ret = lamp->ops->dim(lamp);', 'ret = await lamp.ops.dim(lamp);'],
    ['a declaration', 'struct bulb *bulb = lamp->bulb;', 'const { bulb } = lamp;'],
    [
      'container_of',
      'struct lamp *l = container_of(dev, struct lamp, dev);',
      'const l = container_of<lamp>(dev);',
    ],
    ['a struct on the stack', 'struct lamp_info info = { 0 };', 'const info = new lamp_info();'],
    [
      'a condition',
      'if (!lamp->lit && level != 0)\n\treturn -EINVAL;',
      'if (!lamp.lit && level !== 0) return -EINVAL;',
    ],
    ['a comparison with nothing', 'if (lamp->bulb == NULL)\n\tdim();', 'if (!lamp.bulb) dim();'],
    ['flags', 'flags |= LAMP_ON | ~LAMP_OFF;', 'flags |= LAMP_ON | ~LAMP_OFF;'],
    [
      'a chain',
      'if (a)\n\tf();\nelse if (b)\n\tg();\nelse\n\th();',
      'if (a) f();\nelse if (b) await g();\nelse h();',
    ],
    ['a loop', 'for (i = 0; i < n; i++)\n\tf(i);', 'for (i = 0; i < n; i++) f(i);'],
    [
      'a list',
      'list_for_each_entry(cur, &set->lamps, node)\n\tlamp_put(&cur->dev);',
      'for (const cur of list_for_each_entry(set.lamps)) await lamp_put(cur.dev);',
    ],
    [
      'a switch',
      'switch (cmd & MASK) {\ncase A:\n\treturn f(x);\ncase B ... C:\n\tbreak;\ndefault:\n\treturn -ENOTTY;\n}',
      'switch (cmd & MASK) {\ncase A:\nreturn await this.f(x);\ncase B:\ncase C:\nbreak;\ndefault:\nreturn -ENOTTY;\n}',
    ],
    ['goto', 'if (ret)\n\tgoto out;\nf();\nout:\n\tg();', 'out: {\nif (ret) break out;\nf();\n}\ng();'],
    [
      'the interrupt flags',
      'spin_lock_irqsave(&l->lock, flags);',
      'const flags = await spin_lock_irqsave(l.lock);',
    ],
    ['a message', 'pci_info(pdev, "dimmed to %d\\n", level);', 'pci_info(pdev, `dimmed to ${level}\\n`);'],
    ['an allocation', 'l = kzalloc(sizeof(*l), GFP_KERNEL);', 'l = kzalloc(lamp, GFP_KERNEL);'],
    ['a pointer out', 'u16 cmd = *ppos;', 'const cmd = ppos.v;'],
    ['numbers', 'x = 0x10UL;', 'x = 16n;'],
    [
      'a choice',
      'return copy_to_user(p, &i, n) ? -EFAULT : 0;',
      'return copy_to_user(p, i, n) ? -EFAULT : 0;',
    ],
  ])('%s', (_, c, port) => {
    const keys = cKeys(c);
    expect(keys.length).toBeGreaterThan(0);
    expect(tsKeys(port)).toEqual(keys);
  });

  it.each([
    ['another lock', 'down_write(&lamp->lock);', 'await down_write(lamp.bulb_lock);'],
    ['another mode', 'down_write(&lamp->lock);', 'await down_read(lamp.lock);'],
    ['another constant', 'lamp_set(lamp, LAMP_ON);', 'await this.lamp_set(lamp, LAMP_OFF);'],
    ['another sense', 'if (lamp->lit)\n\tf();', 'if (!lamp.lit) f();'],
    ['another value', 'lamp->lit = true;', 'lamp.lit = false;'],
    ['another error', 'return -EINVAL;', 'return -EIO;'],
    ['a longer block', 'if (a)\n\tf();\ng();', 'if (a) {\nf();\ng();\n}'],
    ['another order', 'f();\ng();', 'g();\nf();'],
  ])('but not with %s', (_, c, port) => {
    expect(tsKeys(port)).not.toEqual(cKeys(c));
  });
});

describe('a hunk shows a piece of a function', () => {
  it.each([
    [
      'blocks that it only ends',
      '\t\tf();\n\t} else {\n\t\tg();\n\t}\n\th();',
      ['call f ', 'else  ', 'call g ', 'end  ', 'call h '],
    ],
    ['blocks that it only starts', '\tif (a) {\n\t\tf();', ['if  a', 'call f ']],
    ['a comment that it only ends', '\t * dims the lamp\n\t */\n\tf();', ['call f ']],
    ['a comment that it only starts', '\tf();\n\t/*\n\t * dims if (the lamp', ['call f ']],
    ['the inside of a comment', '\t * dims\n\t * the lamp();\n', []],
    [
      'cases without their switch',
      '\tcase A:\n\t\treturn f();\n\tdefault:',
      ['case A ', 'call f ', 'return  ', 'case default '],
    ],
    ['the end of the function', '\tf();\n\treturn 0;\n}\n', ['call f ', 'return  0']],
    ['conditions of the preprocessor', '#ifdef CONFIG_LAMP\n\tf();\n#endif\n', ['call f ']],
  ])('%s', (_, text, keys) => {
    expect(cKeys(text)).toEqual(keys);
  });

  it('says which lines are part of a statement that starts before it', () => {
    const text = '\t\t   LAMP_ON |\n\t\t   LAMP_OFF);\n\tf();';
    expect(unread(text)).toEqual([1, 2]);
    expect(cKeys(text)).toEqual(['call f ']);
  });

  it('knows the head of a function by what it gives and takes', () => {
    const text =
      'static bool lamp_lit(struct lamp *lamp,\n\t\t     u32 level)\n{\n\treturn lamp->level >= level;\n}';
    expect(cKeys(text, true)).toEqual(['function lamp_lit bool lamp level', 'return  >= level level']);
  });
});
