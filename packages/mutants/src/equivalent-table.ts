// SPDX-License-Identifier: GPL-2.0-only
/* The mutants that are the same driver as before, by function, each with the reason. */

import type { Equivalent } from './equivalent.ts';
import type { Operator } from './operators.ts';

type Place = Pick<Equivalent, 'nth' | 'as' | 'series'>;

/** Mutants of one function that are the same driver for one reason: operator, text, and which. */
function because(
  reason: string,
  fn: string,
  ...which: readonly (readonly [Operator, string, Place?])[]
): Equivalent[] {
  return which.map(([operator, text, place]) => ({ function: fn, operator, text, reason, ...place }));
}

const RESETS = 'vfio_pci_dev_set_try_reset';
const TAKES_REFERENCES = '!disable_idle_d3 && (vfio_pci_dev_set_pm_runtime_get(dev_set))';
const NEVER_THAT_FAR =
  'dead in this kernel: the device that is being closed still has an open_count of 1 here, so ' +
  'vfio_pci_dev_set_needs_reset() is never true';
const IN_IRQLOCK = 'both under irqlock with interrupts off, and whoever looks at either takes irqlock';
const HELD_LONGER =
  'the lock is held for one statement more, which waits for nothing that is ever waited for with that lock held';
const OPEN_WORKED = 'the way out between the two is for a kernel that is out of memory';

export const EQUIVALENT: readonly Equivalent[] = [
  ...because(
    NEVER_THAT_FAR,
    RESETS,
    ['check left out', `if (${TAKES_REFERENCES})`, { as: '!disable_idle_d3 = true' }],
    ['check left out', `if (${TAKES_REFERENCES})`, { as: 'vfio_pci_dev_set_pm_runtime_get(dev_set) = true' }],
    ['result ignored', `if (${TAKES_REFERENCES})`, { as: 'vfio_pci_dev_set_pm_runtime_get(dev_set) = true' }],
    ['moved up', `if (${TAKES_REFERENCES})`],
    ['moved down', `if (${TAKES_REFERENCES})`],
    ['left out', 'reset_done = true'],
    ['check left out', 'if (reset_done)'],
    ['moved down', 'if (reset_done)'],
    ['left out', 'cur.needs_reset = false'],
    ['check left out', 'if (!disable_idle_d3)'],
    ['left out', 'pm_runtime_put(cur.pdev.dev)'],
  ),
  ...because(
    'asks first whether the set could be reset, which changes nothing, and then goes away as before',
    RESETS,
    ['moved down', 'if (!vfio_pci_dev_set_needs_reset(dev_set))'],
  ),
  ...because(
    NEVER_THAT_FAR,
    'vfio_pci_dev_set_needs_reset',
    ['left out', 'needs_reset ||= cur.needs_reset'],
    ['moved down', 'if (cur.vdev.open_count)'],
  ),
  ...because(NEVER_THAT_FAR, 'vfio_pci_core_disable', ['moved up', 'if (!disable_idle_d3)']),
  ...because(
    'reads needs_reset, as everybody, under the lock of the device set, which is held all the time',
    'vfio_pci_core_disable',
    ['moved up', 'vdev.needs_reset = true'],
  ),
  ...because(
    'INTx is off and the file is being closed: nobody looks at virq_disabled between the two',
    'vfio_pci_core_disable',
    ['moved down', 'vdev.virq_disabled = false'],
  ),
  ...because(
    'where reset does not work, trying it fails with -ENOTTY, and nothing is changed',
    'vfio_pci_core_disable',
    ['check left out', 'if (vdev.reset_works && (pci_dev_trylock(pdev)))', { as: 'vdev.reset_works = true' }],
  ),
  ...because(
    'loading the saved state only copies memory; it fails only when there was no memory to save it in',
    'vfio_pci_core_disable',
    ['moved up', 'pci_write_config_word(pdev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE)'],
    ['check left out', 'if (!vdev.reset_works)'],
    ['moved up', 'if (!vdev.reset_works)'],
    ['moved down', 'if (!vdev.reset_works)'],
  ),
  ...because(
    'when low power is not engaged the open file holds a reference: the device is awake, and resuming it does nothing',
    'vfio_pci_core_disable',
    ['check left out', 'if (do_resume)'],
  ),

  ...because(IN_IRQLOCK, 'vfio_pci_intx_mask', ['moved down', 'if (vdev.pci_2_3)']),
  ...because(IN_IRQLOCK, 'vfio_intx_handler', ['moved down', 'disable_irq_nosync(vdev.pdev.irq)']),
  ...because(
    'its only caller comes here only when no interrupt mode is on',
    'vfio_intx_enable',
    ['check left out', 'if (!is_irq_none(vdev))'],
    ['moved down', 'if (!is_irq_none(vdev))'],
  ),
  ...because(
    'one frees the name of the handler, the other drops the eventfd; the handler itself is gone already',
    'vfio_intx_set_signal',
    ['moved up', 'eventfd_ctx_put(vdev.ctx[0].trigger)'],
  ),
  ...because(OPEN_WORKED, 'vfio_intx_set_signal', ['moved up', 'const trigger = eventfd_ctx_fdget(fd)']),
  ...because(
    'SET_IRQS holds igate, and the handler was not installed: nobody looks at the trigger or its name meanwhile',
    'vfio_intx_set_signal',
    ['moved down', 'vdev.ctx[0].trigger = null'],
    ['moved up', 'eventfd_ctx_put(trigger)'],
  ),
  ...because(
    'with another interrupt mode on vfio_intx_enable() refuses with the same error',
    'vfio_pci_set_intx_trigger',
    [
      'check left out',
      'if (!(is_intx(vdev) || is_irq_none(vdev)) || start !== 0 || count !== 1)',
      { as: '!(is_intx(vdev) || is_irq_none(vdev)) = false' },
    ],
  ),
  ...because('vfio_send_intx_eventfd() asks the same again', 'vfio_pci_set_intx_trigger', [
    'moved down',
    'if (!is_intx(vdev))',
  ]),
  ...because(
    'what the guest has disabled is masked already, and masking it again changes nothing',
    'vfio_basic_config_write',
    ['check left out', 'if (virt_intx_disable && !vdev.virq_disabled)', { as: '!vdev.virq_disabled = true' }],
  ),

  ...because(
    'vfio-pci has an ioctl function: the check that it goes past never fails',
    'vfio_device_fops_unl_ioctl',
    ['moved up', 'ret = vfio_device_pm_runtime_get(device)', { series: ['v4'] }],
  ),
  ...because(
    'reads a register of a device that is awake, and does not look at it',
    'vfio_pci_get_irq_count',
    ['moved down', 'if (!IS_ENABLED(CONFIG_VFIO_PCI_INTX) || vdev.nointx || vdev.pdev.is_virtfn)'],
  ),
  ...because(
    HELD_LONGER,
    'vfio_pci_core_ioctl',
    ['moved up', 'mutex_lock(vdev.igate)'],
    ['moved down', 'mutex_unlock(vdev.igate)'],
  ),
  ...because(
    'only pciehp can reset a slot, and its slot is all of its bus: walking the bus finds the same devices',
    'vfio_pci_core_ioctl',
    ['left out', 'slot = true'],
    ['left out', 'slot = true', { nth: 2 }],
  ),
  ...because(
    'an assertion about a local variable that is not changed any more; counting devices does not fail',
    'vfio_pci_core_ioctl',
    ['moved up', 'WARN_ON(!fill.max)'],
    ['moved down', 'WARN_ON(!fill.max)'],
  ),
  ...because(
    'nobody looks at reset_works before the open has worked, and the next open sets it again',
    'vfio_pci_core_enable',
    ['moved up', 'vdev.reset_works = !ret'],
    ['moved down', 'vdev.reset_works = !ret'],
  ),
  ...because(
    'finding out whether DisINTx works leaves the command register as it was, so the two can be done in any order; a ' +
      'device whose INTx is hidden has no pci_2_3, and what is read of its register is not looked at',
    'vfio_pci_core_enable',
    ['moved up', 'if (!nointxmask)'],
    ['moved down', 'if (!nointxmask)'],
    ['moved up', 'vdev.nointx = true'],
    ['moved down', 'vdev.nointx = true'],
  ),
  ...because('writes back what it has just read', 'vfio_pci_core_enable', [
    'check left out',
    'if (vdev.pci_2_3 && cmd.v & PCI_COMMAND_INTX_DISABLE)',
    { as: 'cmd.v & PCI_COMMAND_INTX_DISABLE = true' },
  ]),
  ...because('saves a state that nobody loads', 'vfio_pci_set_power_state', [
    'moved up',
    'if (vdev.needs_pm_restore)',
  ]),
  ...because('a device that keeps its state over D3hot gets back what it has', 'vfio_pci_set_power_state', [
    'check left out',
    'if (vdev.needs_pm_restore)',
  ]),
  ...because(HELD_LONGER, 'vfio_pci_zap_and_vma_lock', [
    'moved down',
    'mutex_unlock(vdev.vma_lock)',
    { nth: 2 },
  ]),
  ...because(
    'a device keeps its configuration while it is in D3hot: saving it again there gives the same',
    'vfio_pci_set_power_state',
    [
      'check left out',
      'if (pdev.current_state < PCI_D3hot && state >= PCI_D3hot)',
      { as: 'pdev.current_state < PCI_D3hot = true' },
    ],
  ),
  ...because('the two conditions exclude each other', 'vfio_pci_set_power_state', [
    'moved down',
    'if (pdev.current_state < PCI_D3hot && state >= PCI_D3hot)',
  ]),
  ...because('in D0 there is nothing saved, and restoring nothing does nothing', 'vfio_pci_set_power_state', [
    'check left out',
    'if (pdev.current_state >= PCI_D3hot && state <= PCI_D0)',
    { as: 'pdev.current_state >= PCI_D3hot = true' },
  ]),
  ...because(
    'a device that keeps its state has nothing saved, and nobody loads it',
    'vfio_pci_set_power_state',
    ['check left out', 'if (needs_save && pdev.current_state >= PCI_D3hot)', { as: 'needs_save = true' }],
  ),

  ...because(HELD_LONGER, 'vfio_pci_core_runtime_suspend', ['moved down', 'up_write(vdev.memory_lock)']),
  ...because(
    'EXIT and close have cleared it: pm_runtime_resumed is never set while low power is not engaged',
    'vfio_pci_core_feature_pm',
    ['left out', 'vdev.pm_runtime_resumed = false'],
  ),
  ...because(
    'both under memory_lock, and whoever looks at either takes it',
    'vfio_pci_core_feature_pm',
    ['moved down', 'vdev.pm_runtime_resumed = false'],
    ['moved down', 'vdev.pm_runtime_engaged = true', { nth: 2 }],
  ),
  ...because(
    'pm_runtime_put() only queues the idle check, which does not wait for memory_lock before the device is suspended',
    'vfio_pci_core_feature_pm',
    ['moved down', 'up_write(vdev.memory_lock)'],
  ),
  ...because(
    'two registers of the virtual configuration space of a device that is not open yet',
    'vfio_update_pm_vconfig_bytes',
    ['moved up', 'ctrl.v &= ~cpu_to_le16(PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS)'],
  ),
  ...because(
    'INTx is unmasked under irqlock and signalled without waiting: with memory_lock held or not is the same',
    'vfio_pci_core_runtime_resume',
    ['moved down', 'if (vdev.pm_intx_masked)', { series: ['v4'] }],
    ['moved down', 'up_write(vdev.memory_lock)', { series: ['v7'] }],
  ),
  ...because(
    'who reads PME_Status waits for the end of the resume, also when the eventfd has come before',
    'vfio_pci_core_runtime_resume',
    ['moved down', 'ctrl.v |= cpu_to_le16(PCI_PM_CTRL_PME_STATUS)'],
  ),
  ...because(
    'both under memory_lock while the device is resuming: EXIT and close take memory_lock, and no suspend can start',
    'vfio_pci_core_runtime_resume',
    ['moved down', 'pm_runtime_get_noresume(dev)'],
  ),
  ...because(
    'two triggers, both put under igate',
    'vfio_pci_core_close_device',
    ['moved down', 'if (vdev.err_trigger)'],
    ['moved down', 'if (vdev.req_trigger)'],
  ),
  ...because(
    'both under memory_lock while the ioctl holds a reference: nobody can suspend or resume the device meanwhile',
    'vfio_pci_runtime_pm_entry',
    ['moved down', 'vdev.pm_wake_eventfd_ctx = efdctx'],
  ),
  ...because(HELD_LONGER, 'vfio_pci_mmap_fault', ['moved down', 'up_read(vdev.memory_lock)']),
  ...because(
    'both under memory_lock, and whoever looks at either takes it',
    '__vfio_pci_runtime_pm_exit',
    ['moved down', 'vdev.pm_runtime_engaged = false'],
    ['moved down', 'pm_runtime_get_noresume(vdev.pdev.dev)'],
  ),
  ...because(
    'getting the context of a negative descriptor fails, and takes nothing',
    'vfio_pci_core_pm_entry_with_wakeup',
    ['moved up', 'const efdctx = eventfd_ctx_fdget(entry.wakeup_eventfd)'],
  ),
  ...because(
    'the ioctl holds a reference of its own until its end: the device cannot suspend before, and the counts add up',
    'vfio_pci_runtime_pm_entry',
    ['moved down', 'pm_runtime_put_noidle(vdev.pdev.dev)'],
  ),
  ...because(
    'while the memory is off nothing is mapped: the list that it goes past is empty',
    'vfio_pci_mmap_fault',
    ['moved down', 'if (vdev.pm_runtime_engaged || !__vfio_pci_memory_enabled(vdev))'],
  ),
];
