package peer

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
)

// The kernel's socket diagnosis answers for one connection in microseconds, where
// its text table is walked from end to end. It may be closed to us, in a sandbox.
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	listening        = 10 // the state that a look-up without a connection falls back to

	netlinkHead = 16
	requestSize = 56
	answerSize  = 72
)

// diagnose asks for the socket that is bound to own and connected to other. Known is
// false if the kernel did not say; inode is 0 if there is no such socket.
func diagnose(own, other netip.AddrPort) (inode, uid uint32, known bool) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return 0, 0, false
	}
	defer func() { _ = syscall.Close(fd) }()
	patience := syscall.NsecToTimeval(int64(100 * time.Millisecond))
	if syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience) != nil {
		return 0, 0, false
	}
	if syscall.Sendto(fd, request(own, other), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}) != nil {
		return 0, 0, false
	}
	var buf [512]byte
	n, _, err := syscall.Recvfrom(fd, buf[:], 0)
	if err != nil || n < netlinkHead+4 {
		return 0, 0, false
	}
	answer, order := buf[netlinkHead:n], binary.NativeEndian
	switch order.Uint16(buf[4:]) {
	case syscall.NLMSG_ERROR:
		return 0, 0, syscall.Errno(-int32(order.Uint32(answer))) == syscall.ENOENT
	case sockDiagByFamily:
		if len(answer) < answerSize {
			return 0, 0, false
		}
		if answer[1] == listening {
			return 0, 0, true
		}
		return order.Uint32(answer[68:]), order.Uint32(answer[64:]), true
	default:
		return 0, 0, false
	}
}

// request writes the question. For IPv4 it finds sockets of IPv6 that are connected
// over it as well.
func request(own, other netip.AddrPort) []byte {
	m, order := make([]byte, netlinkHead+requestSize), binary.NativeEndian
	order.PutUint32(m, uint32(len(m)))
	order.PutUint16(m[4:], sockDiagByFamily)
	order.PutUint16(m[6:], syscall.NLM_F_REQUEST)
	r := m[netlinkHead:]
	r[0], r[1] = syscall.AF_INET6, syscall.IPPROTO_TCP
	if own.Addr().Is4() {
		r[0] = syscall.AF_INET
	}
	order.PutUint32(r[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(r[8:], own.Port())
	binary.BigEndian.PutUint16(r[10:], other.Port())
	copy(r[12:28], own.Addr().AsSlice())
	copy(r[28:44], other.Addr().AsSlice())
	order.PutUint32(r[48:], ^uint32(0)) // no cookie
	order.PutUint32(r[52:], ^uint32(0))
	return m
}
