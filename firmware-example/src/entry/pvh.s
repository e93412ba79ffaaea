# From a PVH loader to 64-bit code. 32-bit protected mode, paging off, interrupts off, ebx = address of the start
# information. Everything stays at its physical address.
#
# Page tables: root, one directory of gigabytes, four of 2 MiB pages for the first 4 GiB.

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18              # length of the name and of the value; PHYS32_ENTRY
    .asciz "Xen"
    .quad barexe_pvh_entry

    .section .text.boot, "ax"
    .code32
    .globl barexe_pvh_entry
barexe_pvh_entry:
    cli
    cld
    mov esi, ebx
    mov edi, offset {stack}
    mov ecx, {stack_bytes} / 4
    mov eax, {paint}
    rep stosd
    mov esp, edi

    mov edi, offset {tables}
    lea eax, [edi + 4096 + 3]   # present, writable
    mov [edi], eax
    lea eax, [edi + 2 * 4096 + 3]
    mov [edi + 4096], eax
    add eax, 4096
    mov [edi + 4096 + 8], eax
    add eax, 4096
    mov [edi + 4096 + 16], eax
    add eax, 4096
    mov [edi + 4096 + 24], eax
    lea edx, [edi + 2 * 4096]
    mov eax, 0x83               # present, writable, 2 MiB
    mov ecx, 2048
2:  mov [edx], eax
    add edx, 8
    add eax, 0x200000
    loop 2b

    mov cr3, edi
    mov eax, cr4
    or eax, 1 << 5              # physical address extension
    mov cr4, eax
    mov ecx, 0xC0000080         # extended features: long mode
    rdmsr
    or eax, 1 << 8
    wrmsr
    mov eax, cr0
    or eax, (1 << 31) | 1       # paging
    mov cr0, eax
    lgdt [{gdt_pointer}]
    push 8
    mov eax, offset barexe_pvh_long
    push eax
    retf

    .code64
barexe_pvh_long:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor ebp, ebp
    mov edi, esi
    lea rsp, [rip + {stack} + {stack_bytes}]
    call {main}
3:  hlt
    jmp 3b
