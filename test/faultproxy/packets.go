package faultproxy

import "net"

// portTries is how often another port is tried where one that is free for TCP is taken for UDP.
const portTries = 100

// ListenPackets is Listen, and the proxy has the same port number for UDP. What comes there is
// passed on to the target in packets that are its own, so answers go another way: it is for
// protocols that say in their packets who they are. While connections are refused, or what is
// said up is held, packets vanish. To must not be called.
func ListenPackets(target string) (*Proxy, error) {
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		p, err := Listen(target)
		if err != nil {
			return nil, err
		}
		at := net.UDPAddrFromAddrPort(p.listener.Addr().(*net.TCPAddr).AddrPort())
		packets, err := net.ListenUDP("udp", at)
		if err == nil {
			p.wg.Go(func() {
				<-p.ctx.Done()
				_ = packets.Close()
			})
			p.wg.Go(func() { p.pass(packets, to) })
			return p, nil
		}
		p.Close()
		if try == portTries {
			return nil, err
		}
	}
}

// pass passes packets on, until they are closed.
func (p *Proxy) pass(packets *net.UDPConn, to *net.UDPAddr) {
	for b := make([]byte, 1<<16); ; {
		n, err := packets.Read(b)
		if err != nil {
			if p.ctx.Err() != nil {
				return
			}
			continue // of what was sent before: nobody was there
		}
		if f := p.faults.Load(); f.refuse || f.stalled[upward] {
			p.mu.Lock()
			p.vanished++
			p.tell()
			p.mu.Unlock()
			continue
		}
		_, _ = packets.WriteToUDP(b[:n], to) // as any packet, it may be lost
	}
}
