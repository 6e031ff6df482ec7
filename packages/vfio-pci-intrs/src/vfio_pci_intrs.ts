// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/pci/vfio_pci_intrs.c, v5.19-rc4.

import type { int, Ref, u16, u32 } from '@vfio-lab/sim';
import { report } from '@vfio-lab/sim';
import { spin_lock_irqsave, spin_unlock_irqrestore } from '@vfio-lab/locking';
import type { eventfd_ctx } from '@vfio-lab/kernel';
import {
  dev_info,
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOTTY,
  eventfd_ctx_fdget,
  eventfd_ctx_put,
  eventfd_signal,
  field_ref,
  fls,
  GFP_KERNEL,
  IS_ERR,
  kasprintf,
  kcalloc,
  kfree,
  PTR_ERR,
} from '@vfio-lab/kernel';
import {
  disable_irq_nosync,
  enable_irq,
  free_irq,
  irq_bypass_register_producer,
  irq_bypass_unregister_producer,
  IRQ_HANDLED,
  IRQ_NONE,
  IRQF_SHARED,
  request_irq,
} from '@vfio-lab/irq';
import {
  get_cached_msi_msg,
  msi_msg,
  pci_alloc_irq_vectors,
  pci_check_and_mask_intx,
  pci_check_and_unmask_intx,
  pci_free_irq_vectors,
  pci_intx,
  PCI_IRQ_MSI,
  PCI_IRQ_MSIX,
  pci_irq_vector,
  pci_is_pcie,
  pci_name,
  pci_write_msi_msg,
} from '@vfio-lab/pci';
import type { irq_set_data, Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  irq_is,
  is_intx,
  is_irq_none,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_TYPE_MASK,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  vfio_pci_irq_ctx,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX,
} from '@vfio-lab/headers';

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_send_intx_eventfd() */
export async function vfio_send_intx_eventfd(this: Kernel, opaque: unknown, unused: unknown): Promise<void> {
  const vdev = opaque as vfio_pci_core_device;

  if (is_intx(vdev) && !vdev.virq_disabled) {
    const { trigger } = vdev.ctx[0];
    // INTx enabled without an eventfd, and the user asks for a loopback signal: the C follows the NULL pointer.
    if (trigger === null)
      report('oops', 'NULL pointer dereference: eventfd_signal() of vfio_send_intx_eventfd()');
    else await eventfd_signal(trigger, 1);
  }
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_pci_intx_mask() */
export async function vfio_pci_intx_mask(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;

  const flags = await spin_lock_irqsave(vdev.irqlock);

  // A write of the command register comes here too, whatever the interrupt mode is: then only the physical bit
  // follows the virtual one.
  if (!is_intx(vdev)) {
    if (vdev.pci_2_3) await pci_intx(pdev, 0);
  } else if (!vdev.ctx[0].masked) {
    // not check_and_mask: mask even when nothing is pending
    if (vdev.pci_2_3) await pci_intx(pdev, 0);
    else await disable_irq_nosync(pdev.irq);

    vdev.ctx[0].masked = true;
  }

  await spin_unlock_irqrestore(vdev.irqlock, flags);
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_intx_unmask_handler() */
export async function vfio_pci_intx_unmask_handler(
  this: Kernel,
  opaque: unknown,
  unused: unknown,
): Promise<int> {
  const vdev = opaque as vfio_pci_core_device;
  const { pdev } = vdev;
  let ret: int = 0;

  // Runs under the wait queue lock of an eventfd when one triggers it, so it must not signal; a result above 0
  // asks the caller to.
  const flags = await spin_lock_irqsave(vdev.irqlock);

  // as in vfio_pci_intx_mask(): the physical bit follows the virtual one
  if (!is_intx(vdev)) {
    if (vdev.pci_2_3) await pci_intx(pdev, 1);
  } else if (vdev.ctx[0].masked && !vdev.virq_disabled) {
    // When an interrupt is pending it would fire at once; sending the eventfd again spares that.
    if (vdev.pci_2_3) {
      if (!(await pci_check_and_unmask_intx(pdev))) ret = 1;
    } else await enable_irq(pdev.irq);

    vdev.ctx[0].masked = ret > 0;
  }

  await spin_unlock_irqrestore(vdev.irqlock, flags);

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_pci_intx_unmask() */
export async function vfio_pci_intx_unmask(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  if ((await this.vfio_pci_intx_unmask_handler(vdev, null)) > 0)
    await this.vfio_send_intx_eventfd(vdev, null);
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_intx_handler() */
export async function vfio_intx_handler(this: Kernel, irq: int, dev_id: unknown): Promise<int> {
  const vdev = dev_id as vfio_pci_core_device;
  let ret: int = IRQ_NONE;

  const flags = await spin_lock_irqsave(vdev.irqlock);

  if (!vdev.pci_2_3) {
    await disable_irq_nosync(vdev.pdev.irq);
    vdev.ctx[0].masked = true;
    ret = IRQ_HANDLED;
  } else if (
    !vdev.ctx[0].masked && // the line may be shared
    (await pci_check_and_mask_intx(vdev.pdev))
  ) {
    vdev.ctx[0].masked = true;
    ret = IRQ_HANDLED;
  }

  await spin_unlock_irqrestore(vdev.irqlock, flags);

  if (ret === IRQ_HANDLED) await this.vfio_send_intx_eventfd(vdev, null);

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_intx_enable() */
export async function vfio_intx_enable(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  if (!is_irq_none(vdev)) return -EINVAL;

  if (!vdev.pdev.irq) return -ENODEV;

  const ctx = kcalloc(1, vfio_pci_irq_ctx, GFP_KERNEL);
  if (!ctx) return -ENOMEM;
  vdev.ctx = ctx;

  vdev.num_ctx = 1;

  // A virtual interrupt that the guest has disabled starts masked. With DisINTx that happens in hardware, here;
  // without it the line is disabled once it has been requested.
  vdev.ctx[0].masked = vdev.virq_disabled;
  if (vdev.pci_2_3) await pci_intx(vdev.pdev, vdev.ctx[0].masked ? 0 : 1);

  vdev.irq_type = VFIO_PCI_INTX_IRQ_INDEX;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_intx_set_signal() */
export async function vfio_intx_set_signal(this: Kernel, vdev: vfio_pci_core_device, fd: int): Promise<int> {
  const { pdev } = vdev;
  let irqflags = IRQF_SHARED;

  if (vdev.ctx[0].trigger) {
    await free_irq(pdev.irq, vdev);
    kfree(vdev.ctx[0].name);
    await eventfd_ctx_put(vdev.ctx[0].trigger);
    vdev.ctx[0].trigger = null;
  }

  if (fd < 0) return 0; // only to disable

  vdev.ctx[0].name = kasprintf(GFP_KERNEL, `vfio-intx(${pci_name(pdev)})`);
  if (!vdev.ctx[0].name) return -ENOMEM;

  const trigger = await eventfd_ctx_fdget(fd);
  if (IS_ERR(trigger)) {
    kfree(vdev.ctx[0].name);
    return PTR_ERR(trigger);
  }

  vdev.ctx[0].trigger = trigger;

  if (!vdev.pci_2_3) irqflags = 0;

  const ret = await request_irq(
    pdev.irq,
    (irq, dev_id) => this.vfio_intx_handler(irq, dev_id),
    irqflags,
    vdev.ctx[0].name.str,
    vdev,
  );
  if (ret) {
    vdev.ctx[0].trigger = null;
    kfree(vdev.ctx[0].name);
    await eventfd_ctx_put(trigger);
    return ret;
  }

  // DisINTx survives the new request, disable_irq() does not.
  const flags = await spin_lock_irqsave(vdev.irqlock);
  if (!vdev.pci_2_3 && vdev.ctx[0].masked) await disable_irq_nosync(pdev.irq);
  await spin_unlock_irqrestore(vdev.irqlock, flags);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_intx_disable() */
export async function vfio_intx_disable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  await this.vfio_virqfd_disable(field_ref(vdev.ctx[0], 'unmask'));
  await this.vfio_virqfd_disable(field_ref(vdev.ctx[0], 'mask'));
  await this.vfio_intx_set_signal(vdev, -1);
  vdev.irq_type = this.VFIO_PCI_NUM_IRQS;
  vdev.num_ctx = 0;
  kfree(vdev.ctx);
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_msihandler() */
export async function vfio_msihandler(this: Kernel, irq: int, arg: unknown): Promise<int> {
  const trigger = arg as eventfd_ctx;

  await eventfd_signal(trigger, 1);
  return IRQ_HANDLED;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_msi_enable() */
export async function vfio_msi_enable(
  this: Kernel,
  vdev: vfio_pci_core_device,
  nvec: int,
  msix: boolean,
): Promise<int> {
  const { pdev } = vdev;
  const flag = msix ? PCI_IRQ_MSIX : PCI_IRQ_MSI;

  if (!is_irq_none(vdev)) return -EINVAL;

  const ctx = kcalloc(nvec, vfio_pci_irq_ctx, GFP_KERNEL);
  if (!ctx) return -ENOMEM;
  vdev.ctx = ctx;

  // When there are fewer than asked for, the result says how many.
  const cmd = await this.vfio_pci_memory_lock_and_enable(vdev);
  const ret = await pci_alloc_irq_vectors(pdev, 1, nvec, flag);
  if (ret < nvec) {
    if (ret > 0) await pci_free_irq_vectors(pdev);
    await this.vfio_pci_memory_unlock_and_restore(vdev, cmd);
    kfree(vdev.ctx);
    return ret;
  }
  await this.vfio_pci_memory_unlock_and_restore(vdev, cmd);

  vdev.num_ctx = nvec;
  vdev.irq_type = msix ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_MSI_IRQ_INDEX;

  if (!msix) {
    // what the guest sees as Multiple Message Capable: log2 of the number of vectors, rounded up
    vdev.msi_qmax = fls(nvec * 2 - 1) - 1;
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_msi_set_vector_signal() */
export async function vfio_msi_set_vector_signal(
  this: Kernel,
  vdev: vfio_pci_core_device,
  vector: int,
  fd: int,
  msix: boolean,
): Promise<int> {
  const { pdev } = vdev;
  let cmd: u16;

  if (vector < 0 || vector >= vdev.num_ctx) return -EINVAL;

  const irq = pci_irq_vector(pdev, vector);
  const ctx = vdev.ctx[vector];

  if (ctx.trigger) {
    await irq_bypass_unregister_producer(ctx.producer);

    cmd = await this.vfio_pci_memory_lock_and_enable(vdev);
    await free_irq(irq, ctx.trigger);
    await this.vfio_pci_memory_unlock_and_restore(vdev, cmd);

    kfree(ctx.name);
    await eventfd_ctx_put(ctx.trigger);
    ctx.trigger = null;
  }

  if (fd < 0) return 0;

  ctx.name = kasprintf(GFP_KERNEL, `vfio-msi${msix ? 'x' : ''}[${vector}](${pci_name(pdev)})`);
  if (!ctx.name) return -ENOMEM;

  const trigger = await eventfd_ctx_fdget(fd);
  if (IS_ERR(trigger)) {
    kfree(ctx.name);
    return PTR_ERR(trigger);
  }

  // The MSI-X table is device memory, which a reset through a back door may have cleared, and the user cannot
  // write it. So write the message again before enabling.
  cmd = await this.vfio_pci_memory_lock_and_enable(vdev);
  if (msix) {
    const msg = new msi_msg();

    get_cached_msi_msg(irq, msg);
    await pci_write_msi_msg(irq, msg);
  }

  let ret = await request_irq(irq, (nr, arg) => this.vfio_msihandler(nr, arg), 0, ctx.name.str, trigger);
  await this.vfio_pci_memory_unlock_and_restore(vdev, cmd);
  if (ret) {
    kfree(ctx.name);
    await eventfd_ctx_put(trigger);
    return ret;
  }

  ctx.producer.token = trigger;
  ctx.producer.irq = irq;
  ret = await irq_bypass_register_producer(ctx.producer);
  if (ret) {
    dev_info(pdev.dev, `irq bypass producer (token ${trigger.id}) registration fails: ${ret}\n`);

    ctx.producer.token = null;
  }
  ctx.trigger = trigger;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_msi_set_block() */
export async function vfio_msi_set_block(
  this: Kernel,
  vdev: vfio_pci_core_device,
  start: u32,
  count: u32,
  fds: Int32Array | null,
  msix: boolean,
): Promise<int> {
  let i: int;
  let j: int;
  let ret: int = 0;

  if (start >= vdev.num_ctx || start + count > vdev.num_ctx) return -EINVAL;

  for (i = 0, j = start; i < count && !ret; i++, j++) {
    const fd = fds ? fds[i] : -1;
    ret = await this.vfio_msi_set_vector_signal(vdev, j, fd, msix);
  }

  if (ret) {
    for (--j; j >= start; j--) await this.vfio_msi_set_vector_signal(vdev, j, -1, msix);
  }

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_msi_disable() */
export async function vfio_msi_disable(
  this: Kernel,
  vdev: vfio_pci_core_device,
  msix: boolean,
): Promise<void> {
  const { pdev } = vdev;

  for (let i = 0; i < vdev.num_ctx; i++) {
    await this.vfio_virqfd_disable(field_ref(vdev.ctx[i], 'unmask'));
    await this.vfio_virqfd_disable(field_ref(vdev.ctx[i], 'mask'));
  }

  await this.vfio_msi_set_block(vdev, 0, vdev.num_ctx, null, msix);

  const cmd = await this.vfio_pci_memory_lock_and_enable(vdev);
  await pci_free_irq_vectors(pdev);
  await this.vfio_pci_memory_unlock_and_restore(vdev, cmd);

  // Freeing the vectors has cleared DisINTx; a device that must not use INTx gets it back.
  if (vdev.nointx) await pci_intx(pdev, 0);

  vdev.irq_type = this.VFIO_PCI_NUM_IRQS;
  vdev.num_ctx = 0;
  kfree(vdev.ctx);
}

/** `*(uint8_t *)data`. The checks before have made sure that there is one. */
function u8_at(data: irq_set_data, i: number): number {
  return (data as Uint8Array)[i];
}

/** `(int32_t *)data` */
function s32_array(data: irq_set_data): Int32Array {
  const bytes = data as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.byteLength >> 2 }, (_, i) => view.getInt32(4 * i, true));
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_set_intx_unmask() */
export async function vfio_pci_set_intx_unmask(
  this: Kernel,
  vdev: vfio_pci_core_device,
  index: u32,
  start: u32,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  if (!is_intx(vdev) || start !== 0 || count !== 1) return -EINVAL;

  if (flags & VFIO_IRQ_SET_DATA_NONE) {
    await this.vfio_pci_intx_unmask(vdev);
  } else if (flags & VFIO_IRQ_SET_DATA_BOOL) {
    const unmask = u8_at(data, 0);
    if (unmask) await this.vfio_pci_intx_unmask(vdev);
  } else if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
    const fd = s32_array(data)[0];
    if (fd >= 0)
      return await this.vfio_virqfd_enable(
        vdev,
        (opaque, unused) => this.vfio_pci_intx_unmask_handler(opaque, unused),
        (opaque, unused) => this.vfio_send_intx_eventfd(opaque, unused),
        null,
        field_ref(vdev.ctx[0], 'unmask'),
        fd,
      );

    await this.vfio_virqfd_disable(field_ref(vdev.ctx[0], 'unmask'));
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_set_intx_mask() */
export async function vfio_pci_set_intx_mask(
  this: Kernel,
  vdev: vfio_pci_core_device,
  index: u32,
  start: u32,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  if (!is_intx(vdev) || start !== 0 || count !== 1) return -EINVAL;

  if (flags & VFIO_IRQ_SET_DATA_NONE) {
    await this.vfio_pci_intx_mask(vdev);
  } else if (flags & VFIO_IRQ_SET_DATA_BOOL) {
    const mask = u8_at(data, 0);
    if (mask) await this.vfio_pci_intx_mask(vdev);
  } else if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
    return -ENOTTY; // the kernel does not have it
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_set_intx_trigger() */
export async function vfio_pci_set_intx_trigger(
  this: Kernel,
  vdev: vfio_pci_core_device,
  index: u32,
  start: u32,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  if (is_intx(vdev) && !count && flags & VFIO_IRQ_SET_DATA_NONE) {
    await this.vfio_intx_disable(vdev);
    return 0;
  }

  if (!(is_intx(vdev) || is_irq_none(vdev)) || start !== 0 || count !== 1) return -EINVAL;

  if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
    const fd = s32_array(data)[0];

    if (is_intx(vdev)) return await this.vfio_intx_set_signal(vdev, fd);

    let ret = await this.vfio_intx_enable(vdev);
    if (ret) return ret;

    ret = await this.vfio_intx_set_signal(vdev, fd);
    if (ret) await this.vfio_intx_disable(vdev);

    return ret;
  }

  if (!is_intx(vdev)) return -EINVAL;

  if (flags & VFIO_IRQ_SET_DATA_NONE) {
    await this.vfio_send_intx_eventfd(vdev, null);
  } else if (flags & VFIO_IRQ_SET_DATA_BOOL) {
    const trigger = u8_at(data, 0);
    if (trigger) await this.vfio_send_intx_eventfd(vdev, null);
  }
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_set_msi_trigger() */
export async function vfio_pci_set_msi_trigger(
  this: Kernel,
  vdev: vfio_pci_core_device,
  index: u32,
  start: u32,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  const msix = index === VFIO_PCI_MSIX_IRQ_INDEX;

  if (irq_is(vdev, index) && !count && flags & VFIO_IRQ_SET_DATA_NONE) {
    await this.vfio_msi_disable(vdev, msix);
    return 0;
  }

  if (!(irq_is(vdev, index) || is_irq_none(vdev))) return -EINVAL;

  if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
    const fds = data && s32_array(data);

    if (vdev.irq_type === index) return await this.vfio_msi_set_block(vdev, start, count, fds, msix);

    let ret = await this.vfio_msi_enable(vdev, start + count, msix);
    if (ret) return ret;

    ret = await this.vfio_msi_set_block(vdev, start, count, fds, msix);
    if (ret) await this.vfio_msi_disable(vdev, msix);

    return ret;
  }

  if (!irq_is(vdev, index) || start + count > vdev.num_ctx) return -EINVAL;

  for (let i = start; i < start + count; i++) {
    const { trigger } = vdev.ctx[i];
    if (!trigger) continue;
    if (flags & VFIO_IRQ_SET_DATA_NONE) {
      await eventfd_signal(trigger, 1);
    } else if (flags & VFIO_IRQ_SET_DATA_BOOL) {
      if (u8_at(data, i - start)) await eventfd_signal(trigger, 1);
    }
  }
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_set_ctx_trigger_single() */
export async function vfio_pci_set_ctx_trigger_single(
  this: Kernel,
  ctx: Ref<eventfd_ctx | null>,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  // without an eventfd in the data: for testing
  if (flags & VFIO_IRQ_SET_DATA_NONE) {
    if (ctx.v) {
      if (count) {
        await eventfd_signal(ctx.v, 1);
      } else {
        await eventfd_ctx_put(ctx.v);
        ctx.v = null;
      }
      return 0;
    }
  } else if (flags & VFIO_IRQ_SET_DATA_BOOL) {
    if (!count) return -EINVAL;

    const trigger = u8_at(data, 0);
    if (trigger && ctx.v) await eventfd_signal(ctx.v, 1);

    return 0;
  } else if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
    if (!count) return -EINVAL;

    const fd = s32_array(data)[0];
    if (fd === -1) {
      if (ctx.v) await eventfd_ctx_put(ctx.v);
      ctx.v = null;
    } else if (fd >= 0) {
      const efdctx = await eventfd_ctx_fdget(fd);
      if (IS_ERR(efdctx)) return PTR_ERR(efdctx);

      if (ctx.v) await eventfd_ctx_put(ctx.v);

      ctx.v = efdctx;
    }
    return 0;
  }

  return -EINVAL;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_set_err_trigger() */
export async function vfio_pci_set_err_trigger(
  this: Kernel,
  vdev: vfio_pci_core_device,
  index: u32,
  start: u32,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  if (index !== VFIO_PCI_ERR_IRQ_INDEX || start !== 0 || count > 1) return -EINVAL;

  return await this.vfio_pci_set_ctx_trigger_single(field_ref(vdev, 'err_trigger'), count, flags, data);
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c static vfio_pci_set_req_trigger() */
export async function vfio_pci_set_req_trigger(
  this: Kernel,
  vdev: vfio_pci_core_device,
  index: u32,
  start: u32,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  if (index !== VFIO_PCI_REQ_IRQ_INDEX || start !== 0 || count > 1) return -EINVAL;

  return await this.vfio_pci_set_ctx_trigger_single(field_ref(vdev, 'req_trigger'), count, flags, data);
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_pci_set_irqs_ioctl() */
export async function vfio_pci_set_irqs_ioctl(
  this: Kernel,
  vdev: vfio_pci_core_device,
  flags: u32,
  index: u32,
  start: u32,
  count: u32,
  data: irq_set_data,
): Promise<int> {
  let func: Kernel['vfio_pci_set_intx_mask'] | null = null;

  switch (index) {
    case VFIO_PCI_INTX_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_MASK:
          func = this.vfio_pci_set_intx_mask;
          break;
        case VFIO_IRQ_SET_ACTION_UNMASK:
          func = this.vfio_pci_set_intx_unmask;
          break;
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          func = this.vfio_pci_set_intx_trigger;
          break;
      }
      break;
    case VFIO_PCI_MSI_IRQ_INDEX:
    case VFIO_PCI_MSIX_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_MASK:
        case VFIO_IRQ_SET_ACTION_UNMASK:
          // the MSI layer exports no masking
          break;
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          func = this.vfio_pci_set_msi_trigger;
          break;
      }
      break;
    case VFIO_PCI_ERR_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          if (pci_is_pcie(vdev.pdev)) func = this.vfio_pci_set_err_trigger;
          break;
      }
      break;
    case VFIO_PCI_REQ_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          func = this.vfio_pci_set_req_trigger;
          break;
      }
      break;
  }

  if (!func) return -ENOTTY;

  return await func.call(this, vdev, index, start, count, flags, data);
}
