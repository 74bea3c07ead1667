package demo

func (w *world) stay() error {
	<-w.ctx.Done()
	return nil
}
