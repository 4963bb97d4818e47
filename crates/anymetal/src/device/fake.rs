//! A back end that behaves like an accelerator: an address space of its own that the host cannot
//! read, and launches that complete later on another thread.
//!
//! It computes with the CPU's kernels and exists to test that nothing else assumes host memory or
//! immediate results. The whole test suite runs on it.

use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

use super::{
    Backend, Buffer, Completion, Device, Event, Inputs, Launched, Primitive, Space, Spec, View, cpu,
};
use crate::error::{Error, Result};
use crate::interrupt;

/// The fake device. One serves the whole process.
pub fn device() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| Device::new(Fake::start()));
    *DEVICE
}

/// Device memory: nothing until the launch that writes it has run.
type Memory = Arc<Mutex<Option<Result<Buffer>>>>;

type Job = Box<dyn FnOnce() + Send>;

struct Fake {
    space: Space,
    queue: Mutex<mpsc::Sender<Job>>,
}

impl Fake {
    fn start() -> Fake {
        let (sender, receiver) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (i, job) in receiver.into_iter().enumerate() {
                // Often enough that a missing wait shows, seldom enough for a test suite.
                if i % 64 == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
                job();
            }
        });
        Fake { space: Space::unique(), queue: Mutex::new(sender) }
    }

    fn submit(&self, job: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Event> {
        let done = Arc::new(Done::default());
        let signal = done.clone();
        let limits = interrupt::limits();
        let job = Box::new(move || signal.set(interrupt::with_limits(limits, job)));
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.send(job).map_err(|_| Error::runtime("fake", "the device's thread has ended"))?;
        Ok(done)
    }

    fn memory(buffer: &Buffer) -> Result<Memory> {
        let memory = buffer.handle::<Memory>().cloned();
        memory.ok_or_else(|| Error::runtime("fake", "an input is not in this device's memory"))
    }
}

fn read(memory: &Memory) -> Result<Buffer> {
    match &*memory.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(result) => result.clone(),
        None => Err(Error::runtime("fake", "memory was read before it was written")),
    }
}

fn write(memory: &Memory, value: Result<Buffer>) {
    *memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

impl Backend for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn space(&self) -> Space {
        self.space
    }

    fn launch(&self, primitive: &Primitive, inputs: Inputs, outputs: &[Spec]) -> Result<Launched> {
        let sources: Vec<(Memory, View)> =
            inputs.into_iter().map(|v| Ok((Self::memory(&v.buffer)?, v))).collect::<Result<_>>()?;
        let targets: Vec<Memory> = outputs.iter().map(|_| Memory::default()).collect();
        let buffers = targets
            .iter()
            .zip(outputs)
            .map(|(m, spec)| Buffer::device(self.space, spec.bytes().unwrap_or(0), m.clone()))
            .collect();
        let (primitive, specs) = (primitive.clone(), outputs.to_vec());
        let event = self.submit(move || {
            let inputs: Result<Inputs> = sources
                .into_iter()
                .map(|(memory, view)| {
                    let buffer = read(&memory)?;
                    Ok(View { buffer, dtype: view.dtype, layout: view.layout })
                })
                .collect();
            let result = inputs.and_then(|inputs| cpu::Cpu.launch(&primitive, inputs, &specs));
            match result {
                Ok(launched) => {
                    for (target, buffer) in targets.iter().zip(launched.buffers) {
                        write(target, Ok(buffer));
                    }
                    Ok(())
                }
                Err(error) => {
                    for target in &targets {
                        write(target, Err(error.clone()));
                    }
                    Err(error)
                }
            }
        })?;
        Ok(Launched { buffers, event: Some(event) })
    }

    fn upload(&self, host: &Buffer) -> Result<(Buffer, Option<Event>)> {
        let memory = Memory::default();
        let buffer = Buffer::device(self.space, host.len(), memory.clone());
        let copy = copied(host)?;
        let event = self.submit(move || {
            write(&memory, Ok(copy));
            Ok(())
        })?;
        Ok((buffer, Some(event)))
    }

    fn download(&self, buffer: &Buffer) -> Result<Buffer> {
        let memory = Self::memory(buffer)?;
        let result: Memory = Memory::default();
        let target = result.clone();
        let event = self.submit(move || {
            write(&target, read(&memory).and_then(|b| copied(&b)));
            Ok(())
        })?;
        interrupt::wait_for(&event)??;
        read(&result)
    }
}

fn copied(buffer: &Buffer) -> Result<Buffer> {
    let mut copy = super::BufferMut::new(buffer.len())?;
    copy.bytes_mut().copy_from_slice(buffer.host_bytes()?);
    Ok(copy.freeze())
}

#[derive(Default)]
struct Done {
    result: Mutex<Option<Result<()>>>,
    changed: Condvar,
}

impl Done {
    fn set(&self, result: Result<()>) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.changed.notify_all();
    }
}

impl Completion for Done {
    fn wait(&self) -> Result<()> {
        let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*result {
                Some(result) => return result.clone(),
                None => {
                    result = self.changed.wait(result).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn wait_for(&self, limit: Duration) -> Option<Result<()>> {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(result, limit, |result| result.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}
