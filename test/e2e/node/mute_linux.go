package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// nowhere is a hardware address that no machine has: what is sent there vanishes, and whoever
// sends it is told nothing.
var nowhere = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x01}

// What the system's headers name so (see neighbour.h).
const (
	neighbourAddr     = 1 // NDA_DST
	neighbourHardware = 2 // NDA_LLADDR
	permanent         = 0x80
)

// mute has all vanish that goes to an address on a network of this machine, as if that were
// unplugged, but only this way: what comes from there arrives. It needs CAP_NET_ADMIN.
func mute(addr string) error {
	return neighbour(syscall.RTM_NEWNEIGH, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, addr, nowhere)
}

func unmute(addr string) error { return neighbour(syscall.RTM_DELNEIGH, 0, addr, nil) }

// neighbour changes what the kernel knows about who has an address, by rtnetlink(7).
func neighbour(message, flags uint16, addr string, hardware net.HardwareAddr) error {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return err
	}
	card, err := cardOf(ip)
	if err != nil {
		return err
	}
	order := binary.NativeEndian
	body := make([]byte, syscall.SizeofNlMsghdr)
	body = append(body, syscall.AF_INET, 0, 0, 0)
	body = order.AppendUint32(body, uint32(card))
	body = order.AppendUint16(body, permanent)
	body = append(body, 0, 0)
	attr := func(kind uint16, data []byte) {
		body = order.AppendUint16(body, uint16(syscall.SizeofRtAttr+len(data)))
		body = order.AppendUint16(body, kind)
		body = append(body, data...)
		for len(body)%syscall.NLMSG_ALIGNTO != 0 {
			body = append(body, 0)
		}
	}
	attr(neighbourAddr, ip.AsSlice())
	if hardware != nil {
		attr(neighbourHardware, hardware)
	}
	order.PutUint32(body, uint32(len(body)))
	order.PutUint16(body[4:], message)
	order.PutUint16(body[6:], flags|syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
	return ask(body)
}

// ask sends a message to the kernel, and returns what that says.
func ask(message []byte) error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	kernel := &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}
	if err := syscall.Sendto(fd, message, 0, kernel); err != nil {
		return err
	}
	b := make([]byte, 4096)
	n, _, err := syscall.Recvfrom(fd, b, 0)
	if err != nil {
		return err
	}
	answers, err := syscall.ParseNetlinkMessage(b[:n])
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.Header.Type == syscall.NLMSG_ERROR {
			if code := int32(binary.NativeEndian.Uint32(a.Data)); code != 0 {
				return fmt.Errorf("the kernel: %w", syscall.Errno(-code))
			}
		}
	}
	return nil
}

// cardOf is the network card that has a network with an address.
func cardOf(ip netip.Addr) (int, error) {
	cards, err := net.Interfaces()
	if err != nil {
		return 0, err
	}
	for _, card := range cards {
		addrs, err := card.Addrs()
		if err != nil {
			return 0, err
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Contains(ip) {
				return card.Index, nil
			}
		}
	}
	return 0, fmt.Errorf("no network has %v", ip)
}
